/**
 * Bounds what is under way at once, in calls and in bytes; the rest waits in order. One call is always let in, however large.
 */
import { Fault, fabricFaults } from '../../fabric/errors.ts';

/** Calls that may wait; a caller with more has forgotten to wait itself. */
const WAITING_MAX = 65_536;

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (fault: Fault) => void;
}

export class Admission {
  readonly #callsMax: number;
  readonly #bytesMax: number;
  #calls = 0;
  #bytes = 0;
  #waiting: Waiter[] = [];
  /** Waiters before this one were served; cut off now and then. */
  #head = 0;
  #closed: Fault | undefined;

  constructor(limits: { readonly callsMax: number; readonly bytesMax: number }) {
    this.#callsMax = limits.callsMax;
    this.#bytesMax = limits.bytesMax;
  }

  /** Undefined: go on at once. Each entry is followed by `leave` with the same number, unless it failed. */
  enter(bytes: number): Promise<void> | undefined {
    if (this.#closed) return Promise.reject(this.#closed);
    if (this.#waiting.length === this.#head && this.#fits(bytes)) {
      this.#take(bytes);
      return undefined;
    }
    if (this.#waiting.length - this.#head >= WAITING_MAX)
      return Promise.reject(new Fault(fabricFaults.overloaded, { waiting: WAITING_MAX }, 'too many calls wait'));
    return new Promise((resolve, reject) => void this.#waiting.push({ bytes, resolve, reject }));
  }

  leave(bytes: number): void {
    this.#calls--;
    this.#bytes -= bytes;
    for (let next = this.#waiting[this.#head]; next && this.#fits(next.bytes); next = this.#waiting[this.#head]) {
      this.#head++;
      this.#take(next.bytes);
      next.resolve();
    }
    if (this.#head > 1024 || this.#head === this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
  }

  close(fault: Fault): void {
    this.#closed = fault;
    const waiting = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    for (const waiter of waiting) waiter.reject(fault);
  }

  #fits(bytes: number): boolean {
    return this.#calls === 0 || (this.#calls < this.#callsMax && this.#bytes + bytes <= this.#bytesMax);
  }

  #take(bytes: number): void {
    this.#calls++;
    this.#bytes += bytes;
  }
}
