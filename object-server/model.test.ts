/**
 * Random operations, checkpoints, compaction, power cuts and clean restarts against a map. What was answered must be there;
 * what was not may be there or not, but nothing else may. SEED=n replays one seed; SEEDS=n runs more of them.
 */
import t from 'tap';
import { systemClock } from '../fabric/clock.ts';
import { createMemoryKv, type MemoryKv } from '../fabric/memory-kv.ts';
import { createSeededRandom, type Random } from '../fabric/random.ts';
import type { Stamp } from '../fabric/stamp.ts';
import { type CrashDisk, createCrashDisk } from '../test/crash-disk.ts';
import {
  apply,
  type Bed,
  blobStream,
  collect,
  createBed,
  objectKey,
  put,
  remove,
  stampAt,
} from '../test/engine-bed.ts';
import { type Key, KIND } from './contract.ts';
import type { Device } from './device.ts';

const KEYS = 24;
const limits = {
  logSegmentBytes: 6_000,
  bulkSegmentBytes: 60_000,
  compactStepBytes: 1_500,
  checkpointRecords: 40,
  checkpointIdleMs: 5,
  blobGraceMs: 3_600_000,
  blobReadGraceMs: 0,
  tombstoneAgeMs: 0,
  compactLiveShare: 0.8,
};

interface Version {
  readonly ballot: Stamp;
  /** undefined: deleted. */
  readonly body: string | undefined;
  readonly blob?: Buffer | undefined;
}

class World {
  readonly random: Random;
  readonly bed: Bed;
  readonly clock = { ...systemClock, nowMs: (): number => 1e12 };
  disk: CrashDisk = createCrashDisk();
  kv: MemoryKv = createMemoryKv();
  device!: Device;
  ballot = 1;
  /** Acknowledged. */
  readonly known = new Map<Key, Version>();
  /** Sent, answer unknown: each may turn out to have happened. */
  readonly maybe = new Map<Key, Version[]>();
  readonly promised = new Map<Key, Stamp>();

  constructor(seed: number, bed: Bed) {
    this.random = createSeededRandom(seed);
    this.bed = bed;
  }

  async open(): Promise<void> {
    const { disk, kv, clock } = this;
    const random = createSeededRandom(this.random.below(1e9));
    this.device = await this.bed.open({ disk, directory: '/d', openKv: async () => kv, clock, limits, random });
  }

  key(): Key {
    return objectKey(this.random.below(KEYS));
  }

  async write(): Promise<void> {
    const key = this.key();
    const ballot = stampAt(++this.ballot);
    const dice = this.random.below(10);
    const body = dice < 2 ? undefined : `${ballot} `.repeat(1 + this.random.below(40));
    const id = dice === 9 ? this.random.bytes(16) : undefined;
    const version: Version = { ballot, body, blob: id };
    if (id) {
      const bytes = Buffer.alloc(1 + this.random.below(30_000), ballot.slice(4, 13));
      await this.device.blobWrite(key.slice(0, 25) + KIND.blob + id.toString('latin1'), blobStream(id, bytes));
    }
    this.maybe.set(key, [...(this.maybe.get(key) ?? []), version]);
    const mutation = body === undefined ? remove(key, ballot) : put(key, ballot, { body, ...(id ? { refs: id } : {}) });
    const [outcome] = await apply(this.device, mutation);
    if (outcome?.startsWith('newer')) {
      // A later write of this key came first: this one never happened.
      this.maybe.set(
        key,
        (this.maybe.get(key) ?? []).filter((one) => one !== version),
      );
      return;
    }
    if (outcome !== 'ok') throw new Error(`unexpected outcome ${outcome}`);
    const held = this.known.get(key);
    if (!held || held.ballot < ballot) this.known.set(key, version);
  }

  async prepare(): Promise<void> {
    const key = this.key();
    const ballot = stampAt(++this.ballot);
    const { ok } = await this.device.prepare(key, ballot);
    if (ok && (this.promised.get(key) ?? '') < ballot) this.promised.set(key, ballot);
  }

  /** Power cut, or just the process killed. */
  async crash(): Promise<void> {
    this.kv.crash();
    this.disk = this.random.below(2) ? this.disk.crash(this.random) : this.disk.kill();
    this.kv = this.kv.reopen();
    await this.open();
  }

  async restart(): Promise<void> {
    await this.device.close();
    this.kv = this.kv.reopen();
    await this.open();
  }

  /** Every key holds its last acknowledged version, or a later one whose answer got lost. */
  async verify(): Promise<void> {
    const listed = new Map<Key, Stamp>();
    this.device.forEach(
      { start: objectKey(0), end: objectKey(KEYS) },
      (key, { ballot }) => void listed.set(key, ballot),
    );
    for (let number = 0; number < KEYS; number++) {
      const key = objectKey(number);
      const known = this.known.get(key);
      const { head, body } = await this.device.read(key, true);
      const view = this.device.get(key);
      if (!known && !view) continue;
      if (!view || !head) throw new Error(`key ${number}: acknowledged ${known?.ballot}, found nothing`);
      if (listed.get(key) !== view.ballot) throw new Error(`key ${number}: ${view.ballot}, listed ${listed.get(key)}`);
      const candidates = [...(known ? [known] : []), ...(this.maybe.get(key) ?? [])];
      const match = candidates.find(({ ballot }) => ballot === view.ballot);
      if (!match || (known && match.ballot < known.ballot)) {
        throw new Error(`key ${number}: acknowledged ${known?.ballot}, found ${view.ballot}`);
      }
      if ((match.body === undefined) !== view.tombstone || (match.body ?? '') !== (body?.toString() ?? '')) {
        throw new Error(`key ${number}: wrong contents at ${view.ballot}`);
      }
      if (match.blob) await this.#verifyBlob(key, match);
      const promised = this.promised.get(key);
      if (promised && promised > view.ballot && (this.device.promised(key) ?? '') < promised) {
        throw new Error(`key ${number}: promise ${promised} forgotten`);
      }
      this.known.set(key, match);
      this.maybe.set(key, []);
    }
  }

  async #verifyBlob(key: Key, { blob = Buffer.alloc(0), ballot }: Version): Promise<void> {
    const { lengthBytes, stream } = await this.device.blobRead(
      key.slice(0, 25) + KIND.blob + blob.toString('latin1'),
      0,
      1e9,
    );
    const bytes = await collect(stream);
    if (!bytes.equals(Buffer.alloc(lengthBytes, ballot.slice(4, 13)))) throw new Error(`blob of ${ballot} is wrong`);
  }
}

async function run(seed: number, bed: Bed): Promise<void> {
  const world = new World(seed, bed);
  await world.open();
  for (let round = 0; round < 12; round++) {
    const operations: Promise<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      const dice = world.random.below(40);
      const one =
        dice < 32
          ? world.write()
          : dice < 35
            ? world.prepare()
            : dice < 37
              ? world.device.checkpoint()
              : world.device.compact();
      one.catch(() => undefined);
      operations.push(one);
      for (let turns = world.random.below(4); turns > 0; turns--)
        await new Promise((resolve) => void setImmediate(resolve));
    }
    const ending = world.random.below(3);
    if (ending === 0) await world.crash();
    else {
      await Promise.all(operations);
      await world.verify();
      if (ending === 1) await world.restart();
      else await world.crash();
    }
    await world.verify();
  }
  await world.device.close();
}

const first = Number(process.env['SEED'] ?? 1);
const count = Number(process.env['SEEDS'] ?? (process.env['SEED'] ? 1 : 25));

t.test(`seeds ${first} to ${first + count - 1}`, { timeout: 10_000 + 2_000 * count }, async (t) => {
  const bed = createBed();
  t.teardown(() => bed.remove());
  for (let seed = first; seed < first + count; seed++) {
    try {
      await run(seed, bed);
      t.pass(`seed ${seed}`);
    } catch (error) {
      t.fail(`SEED=${seed}: ${(error as Error).stack}`);
    }
  }
});
