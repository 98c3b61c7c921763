/** Watches the free space while there is writing, so that a full disk is refused (507) before anything breaks. */
import type { Clock } from '../fabric/clock.ts';
import type { Disk, DiskSpace } from '../fabric/disk.ts';
import type { DeviceLimits } from './limits.ts';

export interface SpaceWatchOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly limits: DeviceLimits;
  /** All bytes ever appended, both lanes. */
  readonly writtenBytes: () => number;
  /** `full`: less is free than the reserve; `exhausted`: less than half of it. */
  readonly onChange: (full: boolean, exhausted: boolean) => void;
}

export class SpaceWatch {
  readonly #options: SpaceWatchOptions;
  #full = false;
  #exhausted = false;
  #last: DiskSpace = { freeBytes: 0, totalBytes: 0 };
  #checkedBytes = 0;
  #checkedMs = 0;
  #asking: Promise<void> | undefined;

  constructor(options: SpaceWatchOptions) {
    this.#options = options;
  }

  get full(): boolean {
    return this.#full;
  }

  /** After a write; asks the disk only now and then. */
  wrote(): void {
    const { clock, limits, writtenBytes } = this.#options;
    const due =
      writtenBytes() - this.#checkedBytes >= limits.spaceCheckBytes ||
      clock.monotonicMs() - this.#checkedMs >= limits.spaceCheckMs;
    if (due && !this.#asking) void this.check();
  }

  /** What was last seen; if that is long ago the disk is asked for the next time. */
  last(): DiskSpace {
    const { clock, limits } = this.#options;
    if (clock.monotonicMs() - this.#checkedMs >= limits.spaceCheckMs && !this.#asking) void this.check();
    return this.#last;
  }

  check(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    const { disk, directory, limits, clock, writtenBytes, onChange } = this.#options;
    this.#checkedBytes = writtenBytes();
    this.#checkedMs = clock.monotonicMs();
    try {
      const { freeBytes, totalBytes } = await disk.space(directory);
      this.#last = { freeBytes, totalBytes };
      const reserve = Math.max(limits.reserveBytesMin, Math.min(limits.reserveBytes, totalBytes / 100));
      const full = freeBytes < reserve;
      const exhausted = freeBytes < reserve / 2;
      if (full !== this.#full || exhausted !== this.#exhausted) onChange(full, exhausted);
      this.#full = full;
      this.#exhausted = exhausted;
    } catch {
      // The next write that fails will say what is wrong.
    }
  }
}
