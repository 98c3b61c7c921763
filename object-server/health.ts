/** The condition of a device, shared by its parts. Being out is for good; the worst word stands. */
import type { DeviceStatus } from './contract.ts';

export type DeviceState = DeviceStatus['state'];

const severity: Readonly<Record<DeviceState, number>> = { starting: 0, up: 1, full: 2, 'read-only': 3, out: 4 };

export class Health {
  readonly #onChange: (state: DeviceState, reason: string | undefined) => void;
  #state: DeviceState = 'starting';
  #reason: string | undefined;

  constructor(onChange: (state: DeviceState, reason: string | undefined) => void) {
    this.#onChange = onChange;
  }

  get state(): DeviceState {
    return this.#state;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether nothing may be written at all. */
  get closed(): boolean {
    return severity[this.#state] >= severity['read-only'];
  }

  /** Ignored when the condition is as bad already. */
  worsen(state: DeviceState, reason: string): void {
    if (severity[state] > severity[this.#state]) this.#set(state, reason);
  }

  /** Out because its owner is done with it: nothing to report. */
  close(reason: string): void {
    if (this.#state === 'out') return;
    this.#state = 'out';
    this.#reason = reason;
  }

  started(): void {
    if (this.#state === 'starting') this.#state = 'up';
  }

  setFull(full: boolean): void {
    if (full) this.worsen('full', 'free space is down to the reserve');
    else if (this.#state === 'full') this.#set('up', undefined);
  }

  /** Something is wrong, but not with taking writes. */
  note(reason: string): void {
    this.#reason ??= reason;
    this.#onChange(this.#state, reason);
  }

  #set(state: DeviceState, reason: string | undefined): void {
    this.#state = state;
    this.#reason = reason;
    this.#onChange(state, reason);
  }
}
