/** Runs a device's compaction in the background at a bounded rate. One a device; nothing is left of it after `stop`. */
import type { Clock, Timer } from '../fabric/clock.ts';
import type { Device } from './device.ts';
import type { DeviceLogger } from './open-device.ts';

export interface HousekeepingOptions {
  readonly device: Device;
  readonly clock: Clock;
  readonly log: DeviceLogger;
  /** Copies at most this much, while there is space enough. */
  readonly bytesPerSecond: number;
  /** Pause when there is nothing to do. */
  readonly idleMs: number;
}

/** With less of the file system free than this, space matters more than the clients' pace. */
const SCARCE_SHARE = 0.15;
const SCARCE_FACTOR = 16;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(this.#options.idleMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#running = this.#step();
    });
  }

  async #step(): Promise<void> {
    const { device, log, bytesPerSecond, idleMs } = this.#options;
    let pauseMs = idleMs;
    try {
      const { movedBytes, more } = await device.compact();
      const { freeBytes, totalBytes } = device.status().space;
      const factor = freeBytes < totalBytes * SCARCE_SHARE ? SCARCE_FACTOR : 1;
      if (more) pauseMs = (1000 * movedBytes) / (bytesPerSecond * factor);
    } catch (error) {
      log.error({ device: device.deviceId, error: String(error) }, 'housekeeping step failed');
    }
    this.#schedule(pauseMs);
  }
}
