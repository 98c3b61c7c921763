/**
 * What clients asked and what they were told, sorted into registers: one for each object's own state, one for its row in
 * the listing, one for each container. An object's state is `OPERATION ETAG`: every write carries its own number in the
 * content type, so that a read says whose state it saw.
 */
import { checkRegister, type Operation, type State } from './model.ts';
import { VersionBook } from './version-book.ts';

/** Kept on both sides of an operation: real time is this counter. */
export class History {
  readonly registers = new Map<string, Operation[]>();
  /** ETag by operation number, where it is known. */
  readonly etags = new Map<number, string>();
  /** Writes that were answered with success. */
  readonly acknowledged = new Set<number>();
  /** Writes that a listing has shown. */
  readonly listed = new Set<number>();
  readonly versions = new VersionBook();
  #now = 0;
  operations = 0;

  tick(): number {
    return ++this.#now;
  }

  add(register: string, operation: Operation): void {
    const known = this.registers.get(register);
    if (known) known.push(operation);
    else this.registers.set(register, [operation]);
    this.operations++;
  }

  /** Text of the first register that no order explains; undefined when all can be explained. */
  violation(): string | undefined {
    for (const [name, operations] of this.registers) {
      const verdict = checkRegister(operations);
      if (verdict.result === 'unknown') this.undecided++;
      if (verdict.result !== 'violation') continue;
      const stuck = operations.filter(({ label }) => verdict.stuck.includes(label));
      const about = Math.min(...stuck.map(({ start }) => start));
      const near = ({ start, end, optional }: Operation): boolean =>
        (end > about - SHOWN_BEFORE || optional) && start < about + SHOWN_AFTER;
      const lines = operations
        .filter(near)
        .sort((a, b) => a.start - b.start)
        .map(line);
      return [
        `${name}: no order of these operations explains their answers`,
        ...lines,
        `  longest explanation: … ${verdict.longest.slice(-12).join('; ')}`,
        `  leaves the state '${verdict.state}', in which none of these can be next: ${verdict.stuck.join('; ')}`,
      ].join('\n');
    }
    return this.versions.violation();
  }

  /** Registers whose search was given up. */
  undecided = 0;
}

/** How much of a register's history around the broken place is shown, in ticks. */
const SHOWN_BEFORE = 60;
const SHOWN_AFTER = 30;

const line = ({ start, end, optional, label }: Operation): string =>
  `  [${String(start).padStart(5)}, ${Number.isFinite(end) ? String(end).padStart(5) : '    ?'}] ${label}${optional ? ' (outcome unknown)' : ''}`;

export const ABSENT: State = '';
export const stateOf = (operation: number, etag: string): State => `${operation} ${etag}`;
export const operationIn = (state: State): number => Number(state.slice(0, state.indexOf(' ')));
/** '?' while nobody has seen it. */
export const etagOf = (state: State): string => state.slice(state.indexOf(' ') + 1);

export type Apply = (state: State) => State | undefined;

export const write =
  (state: State): Apply =>
  () =>
    state;
export const expect =
  (wanted: (state: State) => boolean): Apply =>
  (state) =>
    wanted(state) ? state : undefined;
export const isAbsent = (state: State): boolean => state === ABSENT;
export const isPresent = (state: State): boolean => state !== ABSENT;

/**
 * A row's state remembers what the writes replaced that nobody acknowledged: such a write may be listed for a moment and
 * then turn out not to have happened (its row came to stand, its object did not). `SHOWN > REPLACED > …`.
 */
const REPLACED = ' > ';
const REPLACED_MAX = 3;

export const replacing = (state: State, replaced: State): State =>
  [state, ...replaced.split(REPLACED).slice(0, REPLACED_MAX)].join(REPLACED);
export const shownOf = (state: State): State => state.split(REPLACED)[0] as State;
export const undone = (state: State): State | undefined => {
  const at = state.indexOf(REPLACED);
  return at < 0 ? undefined : state.slice(at + REPLACED.length);
};
