/**
 * Takes up tasks that nobody owns, as many at once as allowed, and keeps their leases. Several runners, in several processes,
 * may share a store. After a death the same `holder` takes its tasks up again at once, another one when the leases have expired.
 */
import type { Clock, Timer } from '../../fabric/clock.ts';
import type { ControlStore, Lease } from '../contract.ts';
import type { AnyTaskKind, Task } from './contract.ts';
import { changeTask, getTask, leaseName, listActive, TASKS } from './task-rows.ts';
import { TaskRun } from './task-run.ts';

const LEASE_MS = 15_000;
const HEARTBEAT_MS = 3000;
/** Leases that have expired are looked for this often. */
const SCAN_MS = 2000;
const RUNNING_MAX = 64;

export interface TaskRunnerOptions {
  readonly store: ControlStore;
  readonly clock: Clock;
  /** Of this process, the same after a restart, of no other: e.g. the host's UUID and the service's name. */
  readonly holder: string;
  readonly kinds: readonly AnyTaskKind[];
  readonly runningMax?: number;
  readonly leaseMs?: number;
  readonly onError: (error: unknown, task: Task | undefined) => void;
}

interface Running {
  readonly kind: string;
  readonly run: TaskRun;
  readonly ended: Promise<void>;
  lease: Lease;
  shownProgress: number;
}

export class TaskRunner {
  readonly #options: TaskRunnerOptions;
  readonly #kinds: ReadonlyMap<string, AnyTaskKind>;
  readonly #running = new Map<string, Running>();
  #heartbeat: Timer | undefined;
  #loop: Promise<void> | undefined;
  #taking: Promise<void> = Promise.resolve();
  readonly #closing: Promise<void>;
  #stopWaiting = (): void => {};
  #closed = false;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#closing = new Promise((resolve) => {
      this.#stopWaiting = resolve;
    });
    this.#kinds = new Map(options.kinds.map((kind) => [kind.name, kind]));
  }

  /** Begins to take up tasks, those of an earlier life first. */
  start(): void {
    this.#loop ??= this.#watch();
    this.#heartbeat ??= this.#options.clock.after(HEARTBEAT_MS, () => void this.#beat());
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Takes up nothing more, tells what runs to stop where it is, and gives the leases back: the next start goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWaiting();
    this.#heartbeat?.cancel();
    const running = [...this.#running.values()];
    for (const { run } of running) run.stop('closing');
    await Promise.all(running.map(({ ended }) => ended));
    await this.#loop;
    await this.#taking.catch(() => undefined);
    for (const { run, lease } of running) {
      await run.leave();
      await this.#options.store.release(lease);
    }
  }

  async #watch(): Promise<void> {
    const { store, clock, onError } = this.#options;
    while (!this.#closed) {
      try {
        const revision = await store.revision();
        await this.#takeUp();
        await this.#waitForTasks(revision);
      } catch (error) {
        if (this.#closed) return;
        onError(error, undefined);
        await clock.sleep(SCAN_MS);
      }
    }
  }

  /** Until a task's row changed that is not in hand, or it is time to look for expired leases. */
  async #waitForTasks(after: number): Promise<void> {
    const { store, clock } = this.#options;
    const endMs = clock.monotonicMs() + SCAN_MS;
    let revision = after;
    for (let leftMs = SCAN_MS; leftMs > 0 && !this.#closed; leftMs = endMs - clock.monotonicMs()) {
      const next = await Promise.race([store.waitForChange(revision, leftMs), this.#closing.then(() => revision)]);
      if (next === revision) continue;
      const page = await store.changes({ after: revision, tables: [TASKS] });
      revision = page.revision;
      if (page.changes.some(({ key }) => !this.#running.has(key))) return;
      for (const { key } of page.changes) await this.#lookForCancel(key);
    }
  }

  async #lookForCancel(id: string): Promise<void> {
    const task = await this.#options.store.read((tx) => getTask(tx, id));
    if (task?.cancelRequested === true && task.state === 'running') this.#running.get(id)?.run.stop('cancel');
  }

  /** One at a time: a lease taken twice by the same holder would fence itself off. */
  #takeUp(): Promise<void> {
    this.#taking = this.#taking.catch(() => undefined).then(() => this.#takeUpNow());
    return this.#taking;
  }

  async #takeUpNow(): Promise<void> {
    const { store, runningMax = RUNNING_MAX } = this.#options;
    for (const { id, kind: name } of await store.read(listActive)) {
      if (this.#closed || this.#running.size >= runningMax) return;
      const kind = this.#kinds.get(name);
      if (kind === undefined || this.#running.has(id) || this.#isFull(kind)) continue;
      await this.#take(id, kind);
    }
  }

  #isFull({ name, concurrency = Infinity }: AnyTaskKind): boolean {
    let count = 0;
    for (const { kind } of this.#running.values()) if (kind === name) count++;
    return count >= concurrency;
  }

  async #take(id: string, kind: AnyTaskKind): Promise<void> {
    const { store, clock, holder, leaseMs = LEASE_MS, onError } = this.#options;
    const lease = await store.lease(leaseName(id), holder, leaseMs);
    if (lease === undefined) return;
    const run = new TaskRun({ store, clock, kind, id, lease, onError });
    const ended = run.run().then(() => {
      this.#running.delete(id);
      // What waited for a free place.
      if (!this.#closed) void this.#takeUp().catch((error) => onError(error, undefined));
    });
    this.#running.set(id, { kind: kind.name, run, ended, lease, shownProgress: 0 });
  }

  async #beat(): Promise<void> {
    await Promise.all([...this.#running].map(([id, one]) => this.#keep(id, one)));
    if (!this.#closed) this.#heartbeat = this.#options.clock.after(HEARTBEAT_MS, () => void this.#beat());
  }

  async #keep(id: string, one: Running): Promise<void> {
    const { store, clock, leaseMs = LEASE_MS, onError } = this.#options;
    try {
      const renewed = await store.renew(one.lease, leaseMs);
      if (!this.#running.has(id)) return;
      if (renewed === undefined) return one.run.stop('lost');
      one.lease = renewed;
      const { progress } = one.run;
      if (progress === one.shownProgress) return await this.#lookForCancel(id);
      one.shownProgress = progress;
      await store.write((tx) => changeTask(tx, id, clock.nowMs(), { progress }), { fence: one.lease });
    } catch (error) {
      if (this.#running.has(id) && !this.#closed) onError(error, undefined);
    }
  }
}
