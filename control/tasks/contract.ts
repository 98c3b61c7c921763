/**
 * Long-running tasks that outlive their process. A task is a row, made in the same transaction as the thing it works on; its
 * steps are run one after another by whoever holds its lease; each step's end is one fenced write, with whatever the step wants
 * changed along with it. So at any moment of death the rows say how far it got, and the next owner goes on, or fails it cleanly.
 */
import type { ReadTx, WriteTx } from '../contract.ts';

/** `cleaning`: it will end as `ending` says, after its clean-up. The last three are final. */
export type TaskState = 'queued' | 'running' | 'cleaning' | 'done' | 'failed' | 'cancelled';
export type TaskEnding = 'done' | 'failed' | 'cancelled';

export interface TaskError {
  /** A Fault's code, `InternalError`, or one of `taskFaults`. */
  readonly code: string;
  /** For people; of a Fault, else without details. */
  readonly message: string;
}

export interface Task<Input = unknown, Data = unknown> {
  readonly id: string;
  readonly kind: string;
  readonly state: TaskState;
  readonly ending?: TaskEnding | undefined;
  /** Steps that are complete. */
  readonly stepsDone: number;
  readonly input: Input;
  /** What steps have left for later ones. */
  readonly data: Data;
  /** 0 to 1, of the step at work; at most a heartbeat old. */
  readonly progress: number;
  /** e.g. `volume/<id>`: see `listByResource`. */
  readonly resource?: string | undefined;
  readonly requestId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
  /** Owners that began this very step, or clean-up, without ending it. */
  readonly attempts: number;
  readonly cancelRequested: boolean;
  readonly error?: TaskError | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface NewTask {
  readonly kind: string;
  readonly input: unknown;
  readonly resource?: string;
  readonly requestId?: string;
  readonly projectId?: string;
  readonly userId?: string;
}

export interface StepContext<Input = unknown, Data = unknown> {
  readonly task: Task<Input, Data>;
  /** Aborted by a cancel, a lost lease, a stall or the end of the runner: stop soon, and throw. */
  readonly signal: AbortSignal;
  /** 0 to 1; also says that the step is alive (see `stallMs`). */
  progress(fraction: number): void;
  read<T>(body: (tx: ReadTx) => Promise<T>): Promise<T>;
  /** Fenced: fails once somebody else owns the task. */
  write<T>(body: (tx: WriteTx) => Promise<T>): Promise<T>;
  /** Keeps `data` now, so that a step that is run again knows what it had done. */
  save(data: Data): Promise<void>;
}

export interface StepResult<Data> {
  readonly data?: Data;
  /** Part of the write that ends the step. */
  readonly commit?: (tx: WriteTx) => Promise<void> | void;
}

export interface TaskStep<Input, Data> {
  readonly name: string;
  /** Runs again from its beginning when its owner died in it: so what it does outside must bear that. */
  run(context: StepContext<Input, Data>): Promise<StepResult<Data> | void>;
  /** Further tries after a throw, with a growing pause; none when absent. */
  readonly retries?: number;
  /** Without progress for this long it is given up. */
  readonly stallMs?: number;
}

export interface TaskKind<Input = unknown, Data = unknown> {
  /** e.g. `block.snapshot`. */
  readonly name: string;
  readonly steps: readonly TaskStep<Input, Data>[];
  /** When the owner died in the middle of a step: run it again, or clean up and fail. */
  readonly afterCrash: 'resume' | 'fail';
  readonly firstData: Data;
  /** At once in one runner. */
  readonly concurrency?: number;
  /** Undoes what the steps did outside of the store, before a failure or cancellation is final. Tried again when it throws. */
  cleanup?(context: StepContext<Input, Data>): Promise<void>;
  /** Part of the last write: brings the rows of the thing into their final state. */
  settle(tx: WriteTx, task: Task<Input, Data>, ending: TaskEnding, error: TaskError | undefined): Promise<void> | void;
}

/** The registry is of many kinds: each checks its own types. */
// biome-ignore lint/suspicious/noExplicitAny: inputs of different kinds have nothing in common
export type AnyTaskKind = TaskKind<any, any>;

export const taskFaults = {
  /** The process died in a step of a kind that cannot go on. */
  interrupted: 'TaskInterrupted',
  /** Owners kept dying in the same step. */
  poisoned: 'TaskPoisoned',
  stalled: 'TaskStalled',
  cancelled: 'TaskCancelled',
} as const;
