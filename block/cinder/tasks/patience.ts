/** How tasks call hosts: again while a host is out of reach or busy, within bounds, and stopping when they are told to. */
import type { StepContext } from '../../../control/tasks/contract.ts';
import { Fault, isFault } from '../../../fabric/errors.ts';
import { engineFaults } from '../../engine/contract.ts';
import { type VolumeCalls, type VolumeView, volumeFaults } from '../../volumes/contract.ts';
import type { Cinder } from '../cinder.ts';
import { type CallName, isPassing } from '../model/hosts.ts';

const PAUSE_FIRST_MS = 20;
const PAUSE_MAX_MS = 2000;
/** Uploads, fills and copies that have to end first may take this long. */
const BUSY_MS = 24 * 3600 * 1000;

const BUSY: readonly string[] = [
  volumeFaults.busy,
  engineFaults.snapshotOpen,
  engineFaults.filling,
  engineFaults.overloaded,
];
export const isBusy = (error: unknown): boolean => isFault(error) && BUSY.includes(error.code);

export const isGone = (error: unknown): boolean =>
  isFault(error, volumeFaults.noSuchVolume) ||
  isFault(error, volumeFaults.noSuchSnapshot) ||
  isFault(error, 'NoSuchLineage');

/** Context of any task's step or clean-up. */
export type AnyStep = Pick<StepContext, 'signal' | 'progress'>;

export class Patience {
  readonly #cinder: Cinder;
  readonly #step: AnyStep;
  /** Once for all pauses: a listener each would stay with the signal. */
  readonly #stopped: Promise<void>;

  constructor(cinder: Cinder, step: AnyStep) {
    this.#cinder = cinder;
    this.#step = step;
    this.#stopped = new Promise((resolve) => {
      step.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** `throughBusy`: also waits for what keeps the volume busy. */
  async call<M extends CallName>(
    host: string,
    method: M,
    args: VolumeCalls[M]['args'],
    { throughBusy = false } = {},
  ): Promise<VolumeCalls[M]['reply']> {
    const { clock, hosts, settings } = this.#cinder;
    const startMs = clock.monotonicMs();
    for (let tried = 0; ; tried++) {
      this.#step.signal.throwIfAborted();
      try {
        return await hosts.call(host, method, args);
      } catch (error) {
        const patienceMs = isPassing(error) ? settings.hostPatienceMs : throughBusy && isBusy(error) ? BUSY_MS : 0;
        if (clock.monotonicMs() - startMs >= patienceMs) throw error;
        await this.pause(tried);
      }
    }
  }

  /** Asks `look` until it has an answer. */
  async until<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (let tried = 0; ; tried++) {
      this.#step.signal.throwIfAborted();
      const found = await look();
      if (found !== undefined) return found;
      await this.pause(tried);
    }
  }

  /** Says that the step is alive. Ends early when it is to stop. */
  async pause(tried: number): Promise<void> {
    const { progress } = this.#step;
    progress(0);
    const ms = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** Math.min(tried, 10));
    await Promise.race([this.#cinder.clock.sleep(ms), this.#stopped]);
  }

  /** Until rows have changed since they were read, or a moment has passed. */
  async changed(revision: number): Promise<void> {
    this.#step.progress(0);
    await Promise.race([this.#cinder.store.waitForChange(revision, PAUSE_MAX_MS), this.#stopped]);
  }

  /** The volume when it is made, copied and usable; throws its error. */
  async made(host: string, id: string): Promise<VolumeView> {
    return this.until(async () => {
      const view = await this.call(host, 'volume', { id });
      if (view.status === 'error') throw broken(view);
      return view.status === 'creating' ? undefined : view;
    });
  }

  /** The volume when it stands on its own. */
  async filled(host: string, id: string): Promise<VolumeView> {
    return this.until(async () => {
      const view = await this.call(host, 'volume', { id });
      if (view.status === 'error') throw broken(view);
      return view.fill || view.status === 'creating' ? undefined : view;
    });
  }
}

function broken({ error = 'the volume cannot be used' }: VolumeView): Error {
  return new Fault(volumeFaults.broken, {}, error);
}
