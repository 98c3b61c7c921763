/**
 * Whether a history of one register can be explained by some order of its operations that respects real time (Wing and
 * Gong, 1993; with memo as in Lowe, 2017). Operations whose outcome nobody knows may take effect at any time after they
 * began, or never. The register's state is a string; '' is absent.
 */
export type State = string;

export interface Operation {
  readonly label: string;
  /** Position in the global order of invocations and answers. */
  readonly start: number;
  /** Infinity: never answered, or answered with an unknown outcome. */
  readonly end: number;
  /** May be left out altogether. */
  readonly optional: boolean;
  /** Whether anybody has ever seen what an optional one did: it is tried first without those that nobody saw. */
  readonly seen?: (() => boolean) | undefined;
  /** A read in disguise: `apply` never changes the state. */
  readonly pure: boolean;
  /** The state afterwards; undefined when the operation cannot have happened in this state. */
  apply(state: State): State | undefined;
}

export type Verdict =
  | { readonly result: 'ok' }
  | {
      readonly result: 'violation';
      readonly longest: readonly string[];
      readonly state: State;
      readonly stuck: readonly string[];
    }
  /** The search was given up: too much overlaps. */
  | { readonly result: 'unknown' };

export const SEARCH_STEPS_MAX = 200_000;

interface Frame {
  readonly done: bigint;
  readonly state: State;
  readonly path: readonly string[];
}

export function checkRegister(operations: readonly Operation[], initial: State = ''): Verdict {
  const likely = operations.filter(({ optional, seen }) => !optional || seen?.() !== false);
  const verdict = search(likely, initial);
  return verdict.result === 'ok' || likely.length === operations.length ? verdict : search(operations, initial);
}

function search(operations: readonly Operation[], initial: State): Verdict {
  const sorted = [...operations].sort((a, b) => a.start - b.start);
  const mandatory = sorted.reduce((mask, operation, i) => (operation.optional ? mask : mask | (1n << BigInt(i))), 0n);
  const seen = new Set<string>();
  const stack: Frame[] = [{ done: 0n, state: initial, path: [] }];
  let longest: Frame = stack[0] as Frame;
  for (let steps = 0; stack.length > 0; steps++) {
    if (steps > SEARCH_STEPS_MAX) return { result: 'unknown' };
    const frame = stack.pop() as Frame;
    if ((frame.done & mandatory) === mandatory) return { result: 'ok' };
    const mark = `${frame.done.toString(36)} ${frame.state}`;
    if (seen.has(mark)) continue;
    seen.add(mark);
    if (frame.path.length > longest.path.length) longest = frame;
    expand(sorted, frame, stack);
  }
  const stuck = candidates(sorted, longest.done).map(({ operation }) => operation.label);
  return { result: 'violation', longest: longest.path, state: longest.state, stuck };
}

function expand(sorted: readonly Operation[], { done, state, path }: Frame, stack: Frame[]): void {
  const next: Frame[] = [];
  for (const { operation, bit } of candidates(sorted, done)) {
    const after = operation.apply(state);
    if (after === undefined) continue;
    const frame = { done: done | bit, state: after, path: [...path, operation.label] };
    if (operation.pure && !operation.optional) {
      // Nothing is lost by reading as early as possible.
      stack.push(frame);
      return;
    }
    next.push(frame);
  }
  // The stack is last in, first out: what is certain, and began first, is tried first.
  for (let i = next.length - 1; i >= 0; i--) stack.push(next[i] as Frame);
}

/** Operations that may come next: those that began before every other open one ended; optional ones last. */
function candidates(sorted: readonly Operation[], done: bigint): { operation: Operation; bit: bigint }[] {
  let firstEnd = Number.POSITIVE_INFINITY;
  for (let i = 0; i < sorted.length; i++) {
    const { end, optional } = sorted[i] as Operation;
    if (!optional && end < firstEnd && (done & (1n << BigInt(i))) === 0n) firstEnd = end;
  }
  const certain: { operation: Operation; bit: bigint }[] = [];
  const optional: { operation: Operation; bit: bigint }[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const operation = sorted[i] as Operation;
    if (operation.start > firstEnd) break;
    const bit = 1n << BigInt(i);
    if ((done & bit) === 0n) (operation.optional ? optional : certain).push({ operation, bit });
  }
  return [...certain, ...optional];
}
