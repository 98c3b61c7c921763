/**
 * What the client was told, by name: the state that was acknowledged last, and the states of later requests that failed
 * and may or may not have happened. Only one request at a time touches a name, so this says exactly what a correct store
 * may show. An acknowledged write ends all doubt before it; seeing a doubtful one ends the doubt too.
 */
import { createHash } from 'node:crypto';

/** MD5 of the contents, or absent. */
export type State = string | undefined;

interface Entry {
  acked: State;
  doubtful: State[];
}

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  #ackedCount = 0;

  get ackedCount(): number {
    return this.#ackedCount;
  }

  get names(): string[] {
    return [...this.#entries.keys()].sort();
  }

  acked(name: string, state: State): void {
    this.#ackedCount++;
    this.#entries.set(name, { acked: state, doubtful: [] });
  }

  /** The request failed, or was never answered. */
  failed(name: string, state: State): void {
    const entry = this.#entries.get(name);
    if (entry) entry.doubtful.push(state);
    else this.#entries.set(name, { acked: undefined, doubtful: [state] });
  }

  isDoubtful(name: string): boolean {
    return (this.#entries.get(name)?.doubtful.length ?? 0) > 0;
  }

  /** Whether a store may show `state` for `name`. */
  allows(name: string, state: State): boolean {
    const entry = this.#entries.get(name);
    if (!entry) return state === undefined;
    return entry.acked === state || entry.doubtful.includes(state);
  }

  expected(name: string): string {
    const { acked, doubtful } = this.#entries.get(name) ?? { acked: undefined, doubtful: [] };
    return [acked, ...doubtful].map((state) => state ?? 'absent').join(' or ');
  }

  /**
   * A read showed `state`. What is shown stays: of the doubtful ones those before it are over. Those after it, and all of
   * them when the acknowledged state was shown, may still come.
   */
  saw(name: string, state: State): void {
    const entry = this.#entries.get(name);
    if (!entry || entry.acked === state) return;
    const at = entry.doubtful.indexOf(state);
    if (at < 0) return;
    entry.acked = state;
    entry.doubtful = entry.doubtful.slice(at + 1);
  }
}

export const stateOf = (body: Buffer): string => createHash('md5').update(body).digest('hex');
