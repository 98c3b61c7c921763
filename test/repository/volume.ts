/** A volume in memory with random contents, and what tests ask of snapshots of it. */
import { createHash } from 'node:crypto';
import type {
  AllocatedExtent,
  BeginUpload,
  Extent,
  Repository,
  SnapshotSource,
} from '../../block/repository/contract.ts';
import { openRepository } from '../../block/repository/open-repository.ts';
import { inlineSealer } from '../../block/repository/sealer.ts';
import type { World } from '../../block/repository/world.ts';
import { systemClock } from '../../fabric/clock.ts';
import { createSeededRandom, type Random, systemRandom } from '../../fabric/random.ts';
import { MemoryClient, type MemoryClientOptions, type MemoryObjects } from './memory-objects.ts';

export const CHUNK = 64 * 1024;

export class MemoryVolume {
  bytes: Buffer;
  readonly #random: Random;
  changed: Extent[] = [];
  reads = 0;

  constructor(sizeBytes: number, seed: number) {
    this.bytes = Buffer.alloc(sizeBytes);
    this.#random = createSeededRandom(seed);
  }

  /** Writes `bytes` of noise (or of one letter, which packs well) somewhere, and remembers where. */
  scribble(count: number, lengthMax = 2 * CHUNK): void {
    for (let i = 0; i < count; i++) {
      const length = 1 + this.#random.below(Math.min(lengthMax, this.bytes.length));
      const offset = this.#random.below(this.bytes.length - length + 1);
      const kind = this.#random.below(4);
      if (kind === 0) this.bytes.fill(0, offset, offset + length);
      else if (kind === 1) this.bytes.fill(`letter ${this.#random.below(3)}`, offset, offset + length);
      else this.#noise().copy(this.bytes, offset, 0, length);
      this.changed.push({ offset, length });
    }
  }

  /** Since the last call: ascending and apart, as a bitmap says it. */
  takeChanged(): Extent[] {
    const sorted = this.changed.sort((a, b) => a.offset - b.offset);
    const merged: { offset: number; length: number }[] = [];
    for (const { offset, length } of sorted) {
      const last = merged.at(-1);
      if (last && offset <= last.offset + last.length)
        last.length = Math.max(last.length, offset + length - last.offset);
      else merged.push({ offset, length });
    }
    this.changed = [];
    return merged;
  }

  /** As it is now, whatever is written later. */
  source(): SnapshotSource {
    const frozen = Buffer.from(this.bytes);
    return {
      read: async (offset, length) => {
        this.reads++;
        return frozen.subarray(offset, offset + length);
      },
    };
  }

  sum(): string {
    return sumOf(this.bytes);
  }

  /** A part of the pool that begins anywhere: two are hardly ever alike. */
  #noise(): Buffer {
    const from = this.#random.below(POOL.length / 2);
    return POOL.subarray(from, from + POOL.length / 2);
  }
}

/** Incompressible, the same in every run, made once. */
const POOL = Buffer.concat(
  Array.from({ length: 8192 }, (_, index) => createHash('sha512').update(`noise ${index}`).digest()),
);

export const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function worldOf(client: World['client'], world: Partial<World> = {}): World {
  return { client, clock: systemClock, random: systemRandom, sealer: inlineSealer, codec: 'lz4', ...world };
}

export async function openMemory(
  store: MemoryObjects,
  options: MemoryClientOptions = {},
  world: Partial<World> = {},
): Promise<{ client: MemoryClient; repository: Repository }> {
  const client = new MemoryClient(store, options);
  return { client, repository: await openRepository(worldOf(client, world)) };
}

export interface TakeOptions extends Partial<BeginUpload> {
  readonly snapshot: string;
}

export async function take(repository: Repository, volume: MemoryVolume, options: TakeOptions) {
  const base = { lineage: 'line', volume: 'vol', sizeBytes: volume.bytes.length, chunkBytes: CHUNK } as const;
  const session = await repository.beginUpload({ ...base, changed: 'all', source: volume.source(), ...options });
  return await session.run();
}

export async function restored(repository: Repository, snapshot: string, lineage = 'line'): Promise<Buffer> {
  const open = await repository.open({ lineage, snapshot });
  const out = Buffer.alloc(open.info.sizeBytes, 0x55);
  try {
    await open.restore({
      write: async (offset, bytes) => void out.set(bytes, offset),
      zero: async (offset, length) => void out.fill(0, offset, offset + length),
    });
  } finally {
    await open.close();
  }
  return out;
}

/** Until nothing is left to do; throws when it never ends. */
export async function collectAll(repository: Repository, stepsMax = 50): Promise<void> {
  const collector = await repository.collector({ holder: 'test' });
  for (let step = 0; step < stepsMax; step++) {
    const result = await collector.collect();
    if (result.stopped.length > 0) throw new Error(`stopped: ${JSON.stringify(result.stopped)}`);
    if (result.idle) return;
  }
  throw new Error('the collector never becomes idle');
}

export const isData = ({ data }: AllocatedExtent): boolean => data;
