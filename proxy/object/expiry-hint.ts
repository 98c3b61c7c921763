/** Tells the daemon of this proxy what it need not look for. */
export class ExpiryHint {
  #listener: ((deleteAtS: number) => void) | undefined;

  listen(listener: ((deleteAtS: number) => void) | undefined): void {
    this.#listener = listener;
  }

  note(deleteAtS: number): void {
    this.#listener?.(deleteAtS);
  }
}
