/**
 * The bytes behind extents, in order. Each blob is read from one of its primaries; a replica that dies, stalls or finds
 * damage in the middle is replaced by the next at the very byte where it stopped, unseen by the client.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { ByteStream } from '../../fabric/rpc/contract.ts';
import { deviceFaults, headKey, type Key } from '../../object-server/contract.ts';
import type { ReadRegister, Replica } from '../cluster.ts';
import { readOrder } from '../read-order.ts';
import { type Body, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { blobKey, type Extent } from './object-format.ts';

const READ_DEADLINE_MS = 24 * 3600 * 1000;
/** A replica that sends nothing for this long is replaced. */
const STALL_MS = 5_000;

interface Piece {
  readonly key: Key;
  offset: number;
  length: number;
}

export function openExtents(
  engine: Engine,
  register: ReadRegister,
  extents: readonly Extent[],
  { offset, length }: { offset: number; length: number },
): Body {
  const pieces = cut(headKey(register.head), extents, offset, length);
  let at = 0;
  let source: BlobSource | undefined;
  return {
    lengthBytes: length,
    async next() {
      while (at < pieces.length) {
        const piece = pieces[at] as Piece;
        source ??= new BlobSource(engine, piece, register.replica);
        const bytes = await source.next();
        if (bytes) return bytes;
        source = undefined;
        at++;
      }
      return undefined;
    },
    cancel() {
      at = pieces.length;
      source?.cancel();
    },
  };
}

/** The parts of extents that a byte range of the object covers. */
function cut(key: Key, extents: readonly Extent[], offset: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  const end = offset + length;
  let from = 0;
  for (const extent of extents) {
    const first = Math.max(offset, from);
    const last = Math.min(end, from + extent.length);
    if (first < last)
      pieces.push({ key: blobKey(key, extent), offset: extent.offset + first - from, length: last - first });
    from += extent.length;
  }
  return pieces;
}

class BlobSource {
  readonly #engine: Engine;
  readonly #piece: Piece;
  readonly #order: Replica[];
  #stream: ByteStream | undefined;
  #cancelled = false;

  constructor(engine: Engine, piece: Piece, preferred: Replica) {
    this.#engine = engine;
    this.#piece = piece;
    const order = readOrder(engine.cluster, piece.key);
    // Where the register was read, its bytes are likely in the page cache too.
    this.#order =
      order.includes(preferred) && preferred.peer.up
        ? [preferred, ...order.filter((each) => each !== preferred)]
        : [...order];
  }

  async next(): Promise<Uint8Array | undefined> {
    while (this.#piece.length > 0) {
      try {
        this.#stream ??= await this.#open();
        const bytes = await this.#limited(this.#stream);
        if (bytes) {
          this.#piece.offset += bytes.length;
          this.#piece.length -= bytes.length;
          return bytes;
        }
        this.#nextReplica();
      } catch (error) {
        if (!isFault(error) || this.#cancelled) throw error;
        this.#nextReplica();
      }
    }
    return undefined;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#stream?.cancel();
  }

  async #open(): Promise<ByteStream> {
    const replica = this.#order[0];
    if (!replica) throw new AllReplicasFailed();
    const { key, offset, length } = this.#piece;
    const args = { device: replica.device, key, offset, length };
    const reply = await replica.peer.call('blobRead', args, { deadlineMs: READ_DEADLINE_MS });
    if (!reply.download) throw new Fault(deviceFaults.noSuchBlob);
    return reply.download;
  }

  #nextReplica(): void {
    this.#stream?.cancel();
    this.#stream = undefined;
    this.#order.shift();
    if (this.#order.length === 0) throw new AllReplicasFailed();
  }

  #limited(stream: ByteStream): Promise<Uint8Array | undefined> {
    const next = stream.next();
    return new Promise((resolve, reject) => {
      const timer = this.#engine.cluster.clock.after(STALL_MS, () =>
        reject(new Fault('DeadlineExceeded', { reason: 'replica stalls' })),
      );
      next.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

class AllReplicasFailed extends Fault {
  constructor() {
    super(storeFaults.dataLost, {}, 'no replica could give these bytes');
  }
}
