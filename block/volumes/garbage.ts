/**
 * Collects the repository's garbage from time to time. Of all hosts the one that began last does it; one that was put out
 * waits long before it tries again, so that two never take turns.
 */
import type { Clock, Timer } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import { type Collector, type Repository, repositoryFaults } from '../repository/contract.ts';

const EVERY_MS = 10 * 60_000;
/** Something is under way: sweeping takes two looks. */
const BUSY_MS = 30_000;
const PUT_OUT_MS = 24 * 60 * 60_000;

export interface GarbageWorld {
  readonly repository: Repository;
  readonly clock: Clock;
  readonly holder: string;
  readonly log: { warn(details: object, message: string): void };
}

export class Garbage {
  readonly #world: GarbageWorld;
  #collector: Collector | undefined;
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  #putOut = false;

  constructor(world: GarbageWorld) {
    this.#world = world;
  }

  start(): void {
    this.#after(EVERY_MS);
  }

  /** Something was deleted: look soon. Whoever put us out finds it in time. */
  nudge(): void {
    if (!this.#stopped && !this.#putOut) this.#after(BUSY_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#work;
  }

  /** One step, now. */
  async collect(): Promise<{ readonly idle: boolean; readonly swept: number }> {
    const { repository, holder, log } = this.#world;
    this.#collector ??= await repository.collector({ holder });
    const result = await this.#collector.collect();
    for (const one of result.stopped) log.warn({ ...one }, 'garbage of snapshots cannot be collected');
    return result;
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#world.clock.after(delayMs, () => {
      this.#work = this.#round();
    });
  }

  async #round(): Promise<void> {
    let delayMs = EVERY_MS;
    this.#putOut = false;
    try {
      if (!(await this.collect()).idle) delayMs = BUSY_MS;
    } catch (error) {
      this.#collector = undefined;
      if (isFault(error, repositoryFaults.notOwner)) {
        this.#putOut = true;
        delayMs = PUT_OUT_MS;
      } else this.#world.log.warn({ err: error }, 'collecting the garbage of snapshots failed');
    }
    if (!this.#stopped) this.#after(delayMs);
  }
}
