/**
 * An open snapshot. It registers in the object store before it trusts that the snapshot is there, so no collector, of this
 * cluster or of another one, takes anything from under it, even when the snapshot is deleted meanwhile. Whole chunks are read,
 * verified, and kept no longer than they are asked for: caches are the business of who serves them.
 */
import type { Timer } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type {
  AllocatedExtent,
  ChunkSource,
  OpenSnapshot,
  RestoreOptions,
  RestoreResult,
  RestoreSink,
  SnapshotInfo,
  SnapshotRef,
} from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { chunkLength, type Geometry, geometryOf } from './geometry.ts';
import { snapshotInfo } from './info.ts';
import { type Lineage, readLineage } from './lineage.ts';
import { mapRange } from './map.ts';
import { contentName, readerName } from './names.ts';
import type { Ref } from './node-format.ts';
import { NodeStore } from './node-store.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import type { Records, SnapshotRecord } from './records.ts';
import { restoreTo } from './restore.ts';
import { Tree } from './tree.ts';
import { newNonce, readEntry } from './upload-state.ts';
import type { World } from './world.ts';

/** How often a reader shows that it lives: well below any time after which it is given up. */
export const READER_BEAT_MS = 60 * 60 * 1000;

/** Fault NoSuchSnapshot. */
export async function openSnapshot(world: World, ref: SnapshotRef): Promise<OpenSnapshot> {
  const lineage = await readLineage(world.client, ref.lineage);
  const snapshot = await readSnapshot(world, ref);
  const registration = await register(world, ref, snapshot);
  return new Reader({ world, ref, lineage, snapshot, registration });
}

/** Fault NoSuchSnapshot, also for an upload in work. */
export async function readSnapshot({ client }: World, ref: SnapshotRef): Promise<SnapshotRecord> {
  const entry = await readEntry(client, ref);
  if (entry?.kind !== 'snapshot')
    throw new Fault(repositoryFaults.noSuchSnapshot, { lineage: ref.lineage, snapshot: ref.snapshot });
  return entry.value;
}

interface Registration {
  readonly name: string;
  readonly record: Records['reader'];
  readonly etag: string;
}

async function register(world: World, ref: SnapshotRef, { tree, nonce: root }: SnapshotRecord): Promise<Registration> {
  const nonce = newNonce(world);
  const name = readerName(ref.lineage, ref.snapshot, nonce);
  const record = { snapshot: ref.snapshot, nonce, beat: 0, tree };
  const { etag } = await world.client.put(name, encodeRecord('reader', record), 'absent');
  // Only one that was still there after the registration was durable is sure to be seen by every later sweep.
  try {
    const again = await readSnapshot(world, ref);
    if (again.nonce !== root) throw new Fault(repositoryFaults.noSuchSnapshot, { ...ref });
  } catch (error) {
    await world.client.delete(name);
    throw error;
  }
  return { name, record, etag };
}

interface ReaderParts {
  readonly world: World;
  readonly ref: SnapshotRef;
  readonly lineage: Lineage;
  readonly snapshot: SnapshotRecord;
  readonly registration: Registration;
}

class Reader implements OpenSnapshot, ChunkSource {
  readonly info: SnapshotInfo;
  readonly #parts: ReaderParts;
  readonly #geometry: Geometry;
  readonly #tree: Tree;
  #registration: Registration;
  #timer: Timer | undefined;
  #beating: Promise<void> | undefined;
  #lost = false;
  #closed = false;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.info = snapshotInfo(parts.ref, parts.snapshot);
    this.#geometry = geometryOf(parts.snapshot.sizeBytes, parts.snapshot.chunkBytes);
    this.#tree = Tree.from(new NodeStore(parts.world.client, parts.lineage), parts.snapshot.tree);
    this.#registration = parts.registration;
    this.#schedule();
  }

  get sizeBytes(): number {
    return this.#geometry.sizeBytes;
  }

  get chunkBytes(): number {
    return this.#geometry.chunkBytes;
  }

  get chunkCount(): number {
    return this.#geometry.chunkCount;
  }

  chunks(): ChunkSource {
    return this;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#check(offset, length);
    const out = Buffer.alloc(length);
    const end = offset + length;
    const first = Math.floor(offset / this.chunkBytes);
    const reads: Promise<void>[] = [];
    for (let index = first; index * this.chunkBytes < end; index++) reads.push(this.#copy(index, offset, out));
    await Promise.all(reads);
    return out;
  }

  /** As long as its place: a chunk that was written when the volume was smaller ends in zeros. */
  async readChunk(index: number): Promise<Uint8Array | undefined> {
    const ref = await this.#refOf(index);
    if (ref === undefined) return undefined;
    const { world, lineage } = this.#parts;
    const { body } = await world.client.get(contentName('chunks', lineage.id, ref));
    const raw = await world.sealer.unseal({ object: body, key: lineage.chunkKey, hash: ref.hash });
    const length = chunkLength(this.#geometry, index);
    if (raw.length === length) return raw;
    const whole = Buffer.alloc(length);
    whole.set(raw.subarray(0, length));
    return whole;
  }

  async chunkName(index: number): Promise<string | undefined> {
    return (await this.#refOf(index))?.hash.toString('hex');
  }

  async map(offset: number, length: number): Promise<readonly AllocatedExtent[]> {
    this.#check(offset, length);
    return await mapRange(this.#tree, this.#geometry, offset, length);
  }

  restore(sink: RestoreSink, options: RestoreOptions = {}): Promise<RestoreResult> {
    return restoreTo(this, sink, options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#beating;
    await this.#parts.world.client.delete(this.#registration.name);
  }

  async #refOf(index: number): Promise<Ref | undefined> {
    if (this.#lost) throw new Fault(repositoryFaults.readerLost, { ...this.#parts.ref });
    this.#check(index * this.chunkBytes, 0);
    return await this.#tree.chunk(index);
  }

  async #copy(index: number, offset: number, out: Buffer): Promise<void> {
    const chunk = await this.readChunk(index);
    if (chunk === undefined) return;
    const start = index * this.chunkBytes - offset;
    const from = Math.max(0, -start);
    out.set(chunk.subarray(from, Math.min(chunk.length, out.length - start)), start + from);
  }

  #check(offset: number, length: number): void {
    const fits = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!fits || offset + length > this.sizeBytes) throw new Fault(repositoryFaults.invalid, { offset, length });
  }

  #schedule(): void {
    this.#timer = this.#parts.world.clock.after(READER_BEAT_MS, () => {
      this.#beating = this.#beat().finally(() => {
        this.#beating = undefined;
        if (!this.#closed) this.#schedule();
      });
    });
  }

  /** Given up by a collector that took us for dead: a new registration, if the snapshot is still there; the end otherwise. */
  async #beat(): Promise<void> {
    const { world, ref, snapshot } = this.#parts;
    const { name, record, etag } = this.#registration;
    const next = { ...record, beat: record.beat + 1 };
    try {
      const written = await world.client.put(name, encodeRecord('reader', next), { etag });
      this.#registration = { name, record: next, etag: written.etag };
    } catch (error) {
      if (!isFault(error, repositoryFaults.preconditionFailed)) return;
      try {
        this.#registration = await register(world, ref, snapshot);
      } catch (failure) {
        this.#lost = isFault(failure, repositoryFaults.noSuchSnapshot);
      }
    }
  }
}

/** For the collector: a registration's tree. */
export const readerTree = (body: Buffer): Records['reader'] => decodeRecord(body, 'reader').value;
