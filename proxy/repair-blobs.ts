/**
 * Copies the blobs a register refers to onto those of its primaries that lack them, from the replica that has them.
 * The bytes are verified on the way out (the reading device checks every block) and cut into chunks afresh.
 */
import { isFault } from '../fabric/errors.ts';
import type { ByteStream } from '../fabric/rpc/contract.ts';
import {
  CHUNK_BYTES,
  encodeChunkHead,
  headKey,
  headRefs,
  type Key,
  KIND,
  KIND_AT,
  type ObjectServiceCalls,
} from '../object-server/contract.ts';
import type { Cluster, ReadRegister, Replica } from './cluster.ts';

const REPAIR_DEADLINE_MS = 10 * 60_000;
const TO_THE_END = Number.MAX_SAFE_INTEGER;

export async function repairBlobs(cluster: Cluster, register: ReadRegister): Promise<void> {
  const key = headKey(register.head);
  const refs = headRefs(register.head);
  for (const replica of cluster.primaries(key)) {
    if (replica === register.replica || !replica.peer.up) continue;
    for (let at = 0; at < refs.length; at += 16) {
      const blobKey = key.slice(0, KIND_AT) + KIND.blob + refs.toString('latin1', at, at + 16);
      await copyBlob(register.replica, replica, blobKey).catch((error) => {
        // The caller's next write says whether enough replicas have it now.
        if (!isFault(error)) throw error;
      });
    }
  }
}

/** One blob from one device to another; does nothing where it is there already. */
export async function copyBlob(from: Replica, to: Replica, blobKey: Key): Promise<void> {
  const held = await to.peer.call('check', { device: to.device, key: blobKey });
  if ((held.value as ObjectServiceCalls['check']['reply']).ballot !== '') return;
  const args = { device: from.device, key: blobKey, offset: 0, length: TO_THE_END };
  const source = await from.peer.call('blobRead', args, { deadlineMs: REPAIR_DEADLINE_MS });
  if (!source.download) return;
  const upload = chunked(source.download, Buffer.from(blobKey.slice(KIND_AT + 1), 'latin1'));
  await to.peer.call('blobWrite', { device: to.device, key: blobKey }, { deadlineMs: REPAIR_DEADLINE_MS, upload });
}

/** Bytes as they come to the sequence of chunk heads and payloads that blobWrite takes. */
export function chunked(bytes: ByteStream, blobId: Buffer): ByteStream {
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
