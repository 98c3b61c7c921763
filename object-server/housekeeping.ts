/** Runs a device's compaction in the background at a bounded rate, until stopped. One a device. */
import type { Clock, Timer } from '../fabric/clock.ts';
import type { Device } from './device.ts';
import type { DeviceLogger } from './open-device.ts';

export interface Housekeeping {
  /** No further step begins; resolves when the one under way is over. */
  stop(): Promise<void>;
}

export interface HousekeepingOptions {
  readonly device: Device;
  readonly clock: Clock;
  readonly bytesPerSecond: number;
  readonly idleMs: number;
  readonly log: DeviceLogger;
}

export function startHousekeeping({ device, clock, bytesPerSecond, idleMs, log }: HousekeepingOptions): Housekeeping {
  let timer: Timer | undefined;
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  const step = async (): Promise<void> => {
    let pauseMs = idleMs;
    try {
      const { movedBytes, more } = await device.compact();
      if (more) pauseMs = (1000 * movedBytes) / bytesPerSecond;
    } catch (error) {
      log.error({ device: device.deviceId, error: String(error) }, 'housekeeping step failed');
    }
    schedule(pauseMs);
  };
  const schedule = (delayMs: number): void => {
    if (stopped) return;
    timer = clock.after(delayMs, () => {
      running = step();
    });
  };
  schedule(idleMs);
  return {
    async stop() {
      stopped = true;
      timer?.cancel();
      await running;
    },
  };
}
