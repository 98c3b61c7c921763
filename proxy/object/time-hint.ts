/** Tells a daemon of this proxy when there will be something to do, so that it need not look for it. */
export class TimeHint {
  #listener: ((atS: number) => void) | undefined;

  listen(listener: ((atS: number) => void) | undefined): void {
    this.#listener = listener;
  }

  /** Unix seconds. */
  note(atS: number): void {
    this.#listener?.(atS);
  }
}
