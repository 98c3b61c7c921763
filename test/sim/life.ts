/**
 * One life of a simulated process. When it ends, whatever it waits for never comes: its timers, disk and network fall
 * silent, so that its code stops at the await where it is, as a killed process does.
 */
export class Life {
  readonly name: string;
  readonly died: Promise<void>;
  #alive = true;
  #end: () => void = () => {};

  constructor(name: string) {
    this.name = name;
    this.died = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  end(): void {
    this.#alive = false;
    this.#end();
  }
}
