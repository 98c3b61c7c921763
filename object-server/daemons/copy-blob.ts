/**
 * Moves one blob between devices: finds a replica that has the bytes, streams them verified (the reading device checks every
 * block), cut into chunks afresh. Sources are tried in turn; one that fails in the middle costs the whole attempt only.
 */
import { Fault, fabricFaults, isFault } from '../../fabric/errors.ts';
import type { ByteStream } from '../../fabric/rpc/contract.ts';
import { isBlobKey } from '../blob-format.ts';
import { CHUNK_BYTES, encodeChunkHead, headRefs, type Key, KIND, KIND_AT, REST_AT } from '../contract.ts';
import { type DaemonWorld, peerOf, STREAM_MS } from './world.ts';

const REF_BYTES = 16;
const TO_THE_END = Number.MAX_SAFE_INTEGER;

/** Keys of the blobs that the register `head` of the replicated key `key` refers to. */
export function blobKeysOf(key: Key, head: Buffer): Key[] {
  if (isBlobKey(key)) return [];
  const refs = headRefs(head);
  const keys: Key[] = [];
  for (let at = 0; at < refs.length; at += REF_BYTES) {
    keys.push(key.slice(0, KIND_AT) + KIND.blob + refs.toString('latin1', at, at + REF_BYTES));
  }
  return keys;
}

/** Opens the blob's bytes; undefined where they are not. */
export type BlobSource = () => Promise<ByteStream | undefined>;

/** On this very device, under any key of it. */
export const localSource =
  ({ device }: DaemonWorld, key: Key): BlobSource =>
  async () =>
    device.get(key) ? (await device.blobRead(key, 0, TO_THE_END)).stream : undefined;

/** On another device, under the blob's own key. */
export const peerSource =
  (world: DaemonWorld, from: number, key: Key): BlobSource =>
  async () => {
    const args = { device: from, key, offset: 0, length: TO_THE_END };
    return (await peerOf(world, from)?.call('blobRead', args, { deadlineMs: STREAM_MS }))?.download;
  };

/** True when `write` has stored the blob from one of the sources; `stopped` ends a copy under way. */
export async function copyBlob(
  blobKey: Key,
  sources: readonly BlobSource[],
  write: (upload: ByteStream) => Promise<unknown>,
  stopped: () => boolean,
): Promise<boolean> {
  const blobId = Buffer.from(blobKey.slice(REST_AT), 'latin1');
  for (const source of sources) {
    if (stopped()) return false;
    let stream: ByteStream | undefined;
    try {
      stream = await source();
      if (!stream) continue;
      await write(chunked(stream, blobId, stopped));
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
    } finally {
      stream?.cancel();
    }
  }
  return false;
}

/** Bytes as they come to the sequence of chunk heads and payloads that blobWrite takes. */
function chunked(bytes: ByteStream, blobId: Buffer, stopped: () => boolean): ByteStream {
  let index = 0;
  let payload: Buffer | undefined;
  let rest: Uint8Array = new Uint8Array(0);
  const fill = async (): Promise<Buffer> => {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    let filled = 0;
    while (filled < CHUNK_BYTES) {
      if (rest.length === 0) {
        const next = await bytes.next();
        if (next === undefined) break;
        rest = next;
      }
      const take = Math.min(rest.length, CHUNK_BYTES - filled);
      chunk.set(rest.subarray(0, take), filled);
      rest = rest.subarray(take);
      filled += take;
    }
    return chunk.subarray(0, filled);
  };
  return {
    async next() {
      if (stopped()) throw new Fault(fabricFaults.aborted, {}, 'stopping');
      if (payload) {
        const ready = payload;
        payload = undefined;
        return ready;
      }
      const chunk = await fill();
      if (chunk.length === 0) return undefined;
      payload = chunk;
      return encodeChunkHead(blobId, index++, chunk);
    },
    cancel: () => bytes.cancel(),
  };
}
