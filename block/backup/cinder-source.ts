/**
 * A volume as one of Cinder's backups has it: the full one and the incremental ones up to it, laid over each other. A source
 * for an upload into our own repository, which is how existing backups move over. Holds a few unpacked objects at a time.
 */
import { Fault } from '../../fabric/errors.ts';
import { createWorkerPool } from '../../fabric/worker-pool.ts';
import type { AllocatedExtent, ObjectClient, SnapshotSource } from '../repository/contract.ts';
import {
  backupFaults,
  type CinderBackup,
  type CinderPiece,
  METADATA_SUFFIX,
  parseCinderMetadata,
  unreadable,
} from './cinder-format.ts';
import type { UnpackAnswer, UnpackTask } from './unpack-thread.ts';

/** Unpacked objects held, of 50 MiB as a rule; a reader in order needs one, several streams a neighbour. */
const OBJECTS_HELD = 3;
const THREADS = 2;
/** A chain longer than this is a loop. */
const CHAIN_MAX = 10_000;
const SIZE_STEP_BYTES = 4096;

/** All backups whose metadata is in the container, oldest first. Unreadable ones are told by `onBad`. */
export async function listCinderBackups(
  client: ObjectClient,
  onBad: (error: Fault) => void = () => {},
): Promise<CinderBackup[]> {
  const found: CinderBackup[] = [];
  for await (const { name } of client.list({ prefix: '' })) {
    if (!name.endsWith(METADATA_SUFFIX)) continue;
    try {
      found.push(parseCinderMetadata(name, (await client.get(name)).body));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      onBad(error);
    }
  }
  return found.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
}

/** A piece of a piece: what of it counts. */
interface Span {
  readonly offset: number;
  readonly length: number;
  readonly piece: CinderPiece;
}

export interface CinderSource extends SnapshotSource {
  readonly backup: CinderBackup;
  readonly sizeBytes: number;
  allocated(offset: number, length: number): Promise<readonly AllocatedExtent[]>;
  close(): Promise<void>;
}

/** Fault NoSuchBackup for it or one it is built on. */
export async function openCinderBackup(client: ObjectClient, id: string): Promise<CinderSource> {
  const chain = chainOf(await listCinderBackups(client), id);
  const spans = layOver(chain);
  const end = spans.reduce((most, { offset, length }) => Math.max(most, offset + length), 0);
  return new Source(client, chain.at(-1) as CinderBackup, {
    spans,
    sizeBytes: Math.max(SIZE_STEP_BYTES, Math.ceil(end / SIZE_STEP_BYTES) * SIZE_STEP_BYTES),
  });
}

/** From the full one to `id`. */
export function chainOf(all: readonly CinderBackup[], id: string): CinderBackup[] {
  const chain: CinderBackup[] = [];
  for (let next: string | undefined = id; next !== undefined; next = chain[0]?.parent) {
    const found = all.find((one) => one.id === next);
    if (!found)
      throw new Fault(backupFaults.noSuchBackup, { backup: next }, `there is no backup ${next} in the container`);
    if (chain.length >= CHAIN_MAX || chain.includes(found)) throw unreadable(found.prefix, 'it is its own ancestor');
    chain.unshift(found);
  }
  return chain;
}

/** What counts of each piece, in order and without overlaps: a later backup covers an earlier one. */
export function layOver(chain: readonly CinderBackup[]): Span[] {
  let spans: Span[] = [];
  for (const { pieces } of chain) {
    const above = pieces
      .filter(({ length }) => length > 0)
      .map((piece) => ({ offset: piece.offset, length: piece.length, piece }))
      .sort((a, b) => a.offset - b.offset);
    spans = [...cutOut(spans, above), ...above].sort((a, b) => a.offset - b.offset);
  }
  return spans;
}

/** What is left of `spans` beside `above`; both in order. */
function cutOut(spans: readonly Span[], above: readonly Span[]): Span[] {
  const left: Span[] = [];
  let first = 0;
  for (const { offset, length, piece } of spans) {
    const end = offset + length;
    let at = offset;
    while (first < above.length && endOf(above[first] as Span) <= offset) first++;
    for (let i = first; i < above.length && (above[i] as Span).offset < end; i++) {
      const cover = above[i] as Span;
      if (cover.offset > at) left.push({ offset: at, length: cover.offset - at, piece });
      at = Math.max(at, endOf(cover));
    }
    if (at < end) left.push({ offset: at, length: end - at, piece });
  }
  return left;
}

const endOf = ({ offset, length }: { offset: number; length: number }): number => offset + length;

class Source implements CinderSource {
  readonly backup: CinderBackup;
  readonly sizeBytes: number;
  readonly #client: ObjectClient;
  readonly #spans: readonly Span[];
  readonly #pool = createWorkerPool<UnpackTask, UnpackAnswer>({
    file: new URL(`./unpack-thread${import.meta.url.slice(-3)}`, import.meta.url),
    threads: THREADS,
  });
  /** Least recently used first. */
  readonly #held = new Map<CinderPiece, Promise<Uint8Array>>();

  constructor(client: ObjectClient, backup: CinderBackup, of: { spans: readonly Span[]; sizeBytes: number }) {
    this.#client = client;
    this.backup = backup;
    this.#spans = of.spans;
    this.sizeBytes = of.sizeBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(length);
    for (const span of this.#within(offset, length)) {
      const from = Math.max(span.offset, offset);
      const to = Math.min(endOf(span), offset + length);
      const piece = await this.#unpacked(span.piece);
      bytes.set(piece.subarray(from - span.piece.offset, to - span.piece.offset), from - offset);
    }
    return bytes;
  }

  async allocated(offset: number, length: number): Promise<readonly AllocatedExtent[]> {
    const extents: AllocatedExtent[] = [];
    let at = offset;
    const push = (to: number, data: boolean): void => {
      if (to > at) extents.push({ offset: at, length: to - at, data });
      at = Math.max(at, to);
    };
    for (const span of this.#within(offset, length)) {
      push(span.offset, false);
      push(Math.min(endOf(span), offset + length), true);
    }
    push(offset + length, false);
    return extents;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  *#within(offset: number, length: number): Generator<Span> {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (endOf(this.#spans[middle] as Span) <= offset) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.#spans.length && (this.#spans[i] as Span).offset < offset + length; i++) {
      yield this.#spans[i] as Span;
    }
  }

  #unpacked(piece: CinderPiece): Promise<Uint8Array> {
    const held = this.#held.get(piece);
    this.#held.delete(piece);
    const bytes = held ?? this.#fetch(piece);
    this.#held.set(piece, bytes);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= OBJECTS_HELD) break;
      this.#held.delete(oldest);
    }
    // A failure is not remembered: the next reader tries anew.
    bytes.catch(() => this.#held.delete(piece));
    return bytes;
  }

  async #fetch(piece: CinderPiece): Promise<Uint8Array> {
    const { body } = await this.#client.get(piece.object);
    const { compression, length, md5 } = piece;
    const answer = await this.#pool.run({ piece: { compression, length, md5 }, body });
    if ('reason' in answer) throw unreadable(piece.object, answer.reason);
    return answer.bytes;
  }
}
