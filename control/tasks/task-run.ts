/**
 * One task in the hands of one owner, from taking it up to its end, or until the lease is lost, the runner closes or the process
 * dies. Every change of its row is a write fenced by the lease. Decides by the row alone what comes next; remembers nothing else.
 */

import type { Clock, Timer } from '../../fabric/clock.ts';
import { Fault, fabricFaults, isFault } from '../../fabric/errors.ts';
import { type ControlStore, type Lease, storeFaults, type WriteTx } from '../contract.ts';
import { LEASES } from '../store/lease-row.ts';
import type { AnyTaskKind, StepContext, StepResult, Task, TaskEnding, TaskError } from './contract.ts';
import { taskFaults } from './contract.ts';
import { changeTask, finishTask, getTask, isFinal, leaseName } from './task-rows.ts';

/** Owners that may die in one step before the task is given up. */
const ATTEMPTS_MAX = 5;
const CLEANUP_TRIES = 5;
const STALL_MS = 600_000;
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 10_000;

export interface RunOptions {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly kind: AnyTaskKind;
  readonly id: string;
  readonly lease: Lease;
  /** Told of throws that are no Faults, and of what goes wrong in `settle` and `cleanup`. */
  readonly onError: (error: unknown, task: Task | undefined) => void;
}

/** Why a step is to stop; the reason of its signal. */
type Stop = 'cancel' | 'lost' | 'closing' | 'stalled';

export class TaskRun {
  readonly #options: RunOptions;
  #abort = new AbortController();
  #stop: Stop | undefined;
  #progress = 0;
  #lastSignOfLifeMs = 0;
  #stallTimer: Timer | undefined;
  #isCleaning = false;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get progress(): number {
    return this.#progress;
  }

  /** A cancel does not stop a clean-up; the others stop whatever is at work. */
  stop(reason: Stop): void {
    if (this.#isOut() || (reason === 'cancel' && this.#isCleaning)) return;
    this.#stop = reason;
    this.#abort.abort(new Fault(taskFaults.cancelled, { reason }));
  }

  /** Resolves when this owner has nothing more to do with it; never rejects. */
  async run(): Promise<void> {
    try {
      let task = await this.#takeUp();
      while (task && !this.#isOut()) task = await this.#next(task);
    } catch (error) {
      if (isFault(error, storeFaults.leaseLost) || this.#isOut()) return;
      this.#options.onError(error, undefined);
    } finally {
      this.#stallTimer?.cancel();
    }
  }

  /** After a stop for `closing`: it does not count as a death. */
  async leave(): Promise<void> {
    const { id, clock, onError } = this.#options;
    try {
      await this.#write(async (tx) => {
        const task = await getTask(tx, id);
        if (task && !isFinal(task))
          await changeTask(tx, id, clock.nowMs(), { attempts: Math.max(0, task.attempts - 1) });
      });
    } catch (error) {
      if (!isFault(error, storeFaults.leaseLost)) onError(error, undefined);
    }
  }

  /** Somebody else's, or left for the next start. */
  #isOut(): boolean {
    return this.#stop === 'lost' || this.#stop === 'closing';
  }

  #write<T>(body: (tx: WriteTx) => Promise<T>): Promise<T> {
    return this.#options.store.write(body, { fence: this.#options.lease });
  }

  /** The row as the new owner leaves it; undefined when there is nothing to do. */
  #takeUp(): Promise<Task | undefined> {
    const { id, kind, clock } = this.#options;
    return this.#write(async (tx) => {
      const task = await getTask(tx, id);
      if (task === undefined || isFinal(task)) {
        tx.delete(LEASES, leaseName(id));
        return undefined;
      }
      const { state, attempts } = task;
      const nowMs = clock.nowMs();
      const end = (ending: TaskEnding, error: TaskError): Promise<Task> =>
        changeTask(tx, id, nowMs, { state: 'cleaning', ending, error, attempts: 0 });
      if (state === 'queued' && !task.cancelRequested) {
        return changeTask(tx, id, nowMs, { state: 'running', attempts: 1, data: kind.firstData });
      }
      if (state === 'cleaning') return changeTask(tx, id, nowMs, { attempts: attempts + 1 });
      if (task.cancelRequested) return end('cancelled', { code: taskFaults.cancelled, message: 'cancelled' });
      if (kind.afterCrash === 'fail') {
        return end('failed', { code: taskFaults.interrupted, message: 'interrupted by a restart' });
      }
      if (attempts >= ATTEMPTS_MAX) {
        return end('failed', { code: taskFaults.poisoned, message: `given up after ${attempts} attempts` });
      }
      return changeTask(tx, id, nowMs, { attempts: attempts + 1 });
    });
  }

  async #next(task: Task): Promise<Task | undefined> {
    if (task.state === 'cleaning') return this.#cleanUp(task);
    const step = this.#options.kind.steps[task.stepsDone];
    if (step === undefined) return this.#finish(task, 'done');
    try {
      const result = await this.#tries(task, (step.retries ?? 0) + 1, step.stallMs ?? STALL_MS, step.run.bind(step));
      return await this.#advance(task, result ?? {});
    } catch (error) {
      if (isFault(error, storeFaults.leaseLost)) throw error;
      return this.#isOut() ? undefined : this.#fail(task, error);
    }
  }

  /** The step's end, and the task's where it was the last. */
  #advance(task: Task, { data, commit }: StepResult<unknown>): Promise<Task | undefined> {
    const { kind, clock } = this.#options;
    return this.#write(async (tx) => {
      await commit?.(tx);
      const kept = data === undefined ? {} : { data };
      const next = await changeTask(tx, task.id, clock.nowMs(), {
        stepsDone: task.stepsDone + 1,
        attempts: 1,
        progress: 0,
        ...kept,
      });
      if (next.stepsDone === kind.steps.length) {
        await kind.settle(tx, next, 'done', undefined);
        await finishTask(tx, next, 'done', clock.nowMs());
        return undefined;
      }
      if (!next.cancelRequested) return next;
      const error = { code: taskFaults.cancelled, message: 'cancelled' };
      return changeTask(tx, task.id, clock.nowMs(), { state: 'cleaning', ending: 'cancelled', error, attempts: 1 });
    });
  }

  #fail(task: Task, error: unknown): Promise<Task> {
    const wasCancelled = this.#stop === 'cancel';
    const told = wasCancelled ? { code: taskFaults.cancelled, message: 'cancelled' } : this.#describe(error, task);
    const ending = wasCancelled ? 'cancelled' : 'failed';
    const change = { state: 'cleaning', ending, error: told, attempts: 1 } as const;
    return this.#write((tx) => changeTask(tx, task.id, this.#options.clock.nowMs(), change));
  }

  #describe(error: unknown, task: Task): TaskError {
    if (this.#stop === 'stalled') return { code: taskFaults.stalled, message: 'no progress' };
    if (error instanceof Fault) return { code: error.code, message: error.message };
    this.#options.onError(error, task);
    return { code: fabricFaults.internal, message: 'internal error' };
  }

  /** Ends in any case: what cannot be cleaned up is told, and the thing's rows still become final. */
  async #cleanUp(task: Task): Promise<undefined> {
    const { kind, onError } = this.#options;
    this.#isCleaning = true;
    if (kind.cleanup && task.attempts <= ATTEMPTS_MAX) {
      try {
        await this.#tries(task, CLEANUP_TRIES, STALL_MS, kind.cleanup.bind(kind));
      } catch (error) {
        if (this.#isOut() || isFault(error, storeFaults.leaseLost)) throw error;
        onError(error, task);
      }
    }
    return this.#finish(task, task.ending ?? 'failed');
  }

  async #finish(task: Task, ending: TaskEnding): Promise<undefined> {
    const { kind, clock, onError } = this.#options;
    const end = (settles: boolean): Promise<void> =>
      this.#write(async (tx) => {
        const now = (await getTask(tx, task.id)) ?? task;
        if (settles) await kind.settle(tx, now, ending, now.error);
        await finishTask(tx, now, ending, clock.nowMs());
      });
    try {
      await end(true);
    } catch (error) {
      if (isFault(error, storeFaults.leaseLost) || isFault(error, storeFaults.conflict)) throw error;
      onError(error, task);
      await end(false);
    }
  }

  async #tries<T>(task: Task, times: number, stallMs: number, run: (context: StepContext) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#once(task, stallMs, run);
      } catch (error) {
        const isLast = tried >= times || this.#stop !== undefined || isFault(error, storeFaults.leaseLost);
        if (isLast) throw error;
        await this.#options.clock.sleep(Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (tried - 1)));
      }
    }
  }

  /** One go, which ends when it does, or soon after it was told to stop, whether it listens or not. */
  async #once<T>(task: Task, stallMs: number, run: (context: StepContext) => Promise<T>): Promise<T> {
    if (!this.#isOut()) this.#stop = undefined;
    this.#abort = new AbortController();
    if (task.state === 'running' && (await this.#isCancelled(task.id))) this.stop('cancel');
    if (this.#isOut()) throw new Fault(taskFaults.cancelled);
    const { signal } = this.#abort;
    signal.throwIfAborted();
    this.#progress = 0;
    this.#watchStall(stallMs);
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => this.#options.clock.after(STOP_GRACE_MS, () => reject(signal.reason)));
    });
    try {
      return await Promise.race([run(this.#context(task, signal)), stopped]);
    } finally {
      this.#stallTimer?.cancel();
    }
  }

  async #isCancelled(id: string): Promise<boolean> {
    return (await this.#options.store.read((tx) => getTask(tx, id)))?.cancelRequested === true;
  }

  #watchStall(stallMs: number): void {
    const { clock } = this.#options;
    this.#lastSignOfLifeMs = clock.monotonicMs();
    const look = (): void => {
      const quietMs = clock.monotonicMs() - this.#lastSignOfLifeMs;
      if (quietMs >= stallMs) this.stop('stalled');
      else this.#stallTimer = clock.after(stallMs - quietMs, look);
    };
    this.#stallTimer = clock.after(stallMs, look);
  }

  #context(task: Task, signal: AbortSignal): StepContext {
    const { store, clock } = this.#options;
    return {
      task,
      signal,
      progress: (fraction) => {
        this.#progress = Math.min(1, Math.max(0, fraction));
        this.#lastSignOfLifeMs = clock.monotonicMs();
      },
      read: (body) => store.read(body),
      write: (body) => this.#write(body),
      save: async (data) => {
        await this.#write((tx) => changeTask(tx, task.id, clock.nowMs(), { data, attempts: 1 }));
      },
    };
  }
}

/** Between telling a step to stop and going on without it. */
const STOP_GRACE_MS = 5000;
