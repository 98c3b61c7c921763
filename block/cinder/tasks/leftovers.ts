/**
 * What tasks make at hosts for their own time and could not take away, because the host failed just then: it is cleared away later,
 * as often as it takes. A row says where to look; whether it is somebody's is asked of the other rows each time.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { getTask, isFinal } from '../../../control/tasks/task-rows.ts';
import type { Timer } from '../../../fabric/clock.ts';
import { Fault } from '../../../fabric/errors.ts';
import { type Cinder, newId } from '../cinder.ts';
import { backups, type LeftoverRow, leftovers, snapshots, volumes } from '../tables.ts';
import { isGone } from './patience.ts';

const EVERY_MS = 60_000;

type Possible = Omit<LeftoverRow, 'id' | 'taskId'>;

export async function addLeftovers(
  cinder: Cinder,
  tx: WriteTx,
  taskId: string,
  all: readonly Possible[],
): Promise<void> {
  for (const one of all) await leftovers.put(tx, { id: newId(cinder), taskId, ...one });
}

export async function forgetLeftovers(tx: WriteTx, taskId: string): Promise<void> {
  for (const { id } of await leftovers.by(tx, 'task', taskId)) await leftovers.remove(tx, id);
}

export class LeftoverSweep {
  readonly #cinder: Cinder;
  readonly #onError: (error: unknown) => void;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(cinder: Cinder, onError: (error: unknown) => void) {
    this.#cinder = cinder;
    this.#onError = onError;
  }

  /** Once now, then every minute. */
  start(): void {
    this.#running = this.#sweep()
      .catch(this.#onError)
      .then(() => {
        if (!this.#stopped) this.#timer = this.#cinder.clock.after(EVERY_MS, () => this.start());
      });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #sweep(): Promise<void> {
    const { store } = this.#cinder;
    const due = await store.read(async (tx) => {
      const all = await leftovers.all(tx);
      const judged = await Promise.all(all.map(async (one) => ({ one, is: await judge(tx, one) })));
      return judged.filter(({ is }) => is !== 'in work');
    });
    for (const { one, is } of due) {
      if (this.#stopped) return;
      if (is === 'nobodys' && !(await this.#clear(one))) continue;
      await store.write((tx) => leftovers.remove(tx, one.id));
    }
  }

  /** False: the host does not do it now. */
  async #clear({ host, volumeId, place }: LeftoverRow): Promise<boolean> {
    const { hosts } = this.#cinder;
    try {
      if (volumeId !== undefined) await hosts.call(host, 'deleteVolume', { id: volumeId, force: true });
      if (place) await hosts.call(host, 'deleteSnapshot', place);
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return isGone(error);
    }
  }
}

type Verdict = 'in work' | 'somebodys' | 'nobodys';

async function judge(tx: ReadTx, { taskId, host, volumeId, place }: LeftoverRow): Promise<Verdict> {
  const task = await getTask(tx, taskId);
  if (task && !isFinal(task)) return 'in work';
  const volume = volumeId === undefined ? undefined : await volumes.get(tx, volumeId);
  if (volume?.host === host) return 'somebodys';
  const kept = place && ((await snapshots.get(tx, place.snapshot)) ?? (await backups.get(tx, place.snapshot)));
  return kept ? 'somebodys' : 'nobodys';
}
