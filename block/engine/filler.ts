/**
 * The fill of one volume in the background: tried again with bounded back-off until the volume stands on its own or the engine
 * lets go. Holds the volume's turn for the pivot only.
 */
import type { FillStatus } from './contract.ts';
import { renewExports } from './exports.ts';
import { fillProgress, pivot, streamAndRepair } from './fill.ts';
import { type Keeper, pause, retryDelayMs } from './keeper.ts';
import type { Qmp } from './qmp.ts';
import type { VolumeContext } from './volume-context.ts';

export class Filler {
  readonly #context: VolumeContext;
  readonly #keeper: Keeper;
  readonly #exclusive: <T>(run: () => Promise<T>) => Promise<T>;
  #running = false;
  #doneBytes = 0;
  #lastError: string | undefined;

  constructor(context: VolumeContext, keeper: Keeper, exclusive: <T>(run: () => Promise<T>) => Promise<T>) {
    this.#context = context;
    this.#keeper = keeper;
    this.#exclusive = exclusive;
  }

  async status(): Promise<FillStatus> {
    const { phase, sizeBytes } = this.#context.state;
    if (phase !== 'filling') return { state: 'none', doneBytes: sizeBytes, totalBytes: sizeBytes };
    const { qmp } = this.#keeper;
    const job = qmp && (await fillProgress(qmp).catch(() => undefined));
    // The job is gone while what it brought is being settled.
    if (job) this.#doneBytes = job['current-progress'];
    return {
      state: 'filling',
      doneBytes: this.#doneBytes,
      totalBytes: sizeBytes,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  /** No effect if it runs already or there is nothing to fill. */
  start(): void {
    if (this.#running || this.#context.state.phase !== 'filling') return;
    this.#running = true;
    void this.#untilDone().finally(() => {
      this.#running = false;
    });
  }

  async #untilDone(): Promise<void> {
    const context = this.#context;
    const { id } = context.state;
    for (let attempt = 1; context.state.phase === 'filling' && !this.#keeper.released; attempt++) {
      try {
        const qmp = await this.#exclusive(() => this.#keeper.running());
        await streamAndRepair(context, qmp);
        await this.#exclusive(() => this.#pivot(qmp));
        context.emit({ type: 'fill-done', id });
      } catch (error) {
        if (this.#keeper.released) return;
        this.#lastError = (error as Error).message;
        context.emit({ type: 'fill-failed', id, reason: this.#lastError });
        await pause(context.world.clock, retryDelayMs(attempt));
      }
    }
  }

  async #pivot(qmp: Qmp): Promise<void> {
    try {
      await pivot(this.#context, qmp);
      await renewExports(this.#context, qmp);
    } catch (error) {
      // The state says that the raw file is the volume, the graph may not: a fresh daemon has the right one.
      if (this.#context.state.phase === 'ready') {
        await this.#keeper.end('at once');
        this.#keeper.recover();
      }
      throw error;
    }
  }
}
