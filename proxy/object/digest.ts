/**
 * MD5 of bodies, the ETag both APIs promise. Small bodies are hashed where they are; a large body's MD5 takes 1.4 ms a
 * MiB, which would hold up everybody else, so in production it runs on threads (fabric/worker-digest.ts).
 */
import { createHash } from 'node:crypto';
import { DigestThreads } from '../../fabric/worker-digest.ts';
import { CHUNK_BYTES } from '../../object-server/contract.ts';

/** Chunks kept for the next large body. */
const FREE_CHUNKS_MAX = 32;

export interface Digest {
  /** Waits when more should not come yet. The bytes must not change before `read` is called. */
  update(bytes: Uint8Array, read?: () => void): Promise<void> | undefined;
  /** 32 hex digits. */
  hex(): Promise<string> | string;
  /** Gives up. */
  cancel(): void;
}

export interface DigestPool {
  /** For one large body. */
  md5(): Digest;
  /** Memory for a chunk of a body: shared where another thread reads it too. */
  allocate(bytes: number): Buffer;
  /** Gives a buffer of `allocate` back when nobody reads it any more. */
  recycle(chunk: Buffer): void;
  close(): Promise<void>;
}

/** On this thread: for the simulator, which replays, and where there is no core to spare. */
export const inlineDigests: DigestPool = {
  md5() {
    const hash = createHash('md5');
    return {
      update: (bytes, read) => {
        hash.update(bytes);
        read?.();
        return undefined;
      },
      hex: () => hash.digest('hex'),
      cancel() {},
    };
  },
  allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
  recycle() {},
  async close() {},
};

export function createThreadDigests(threads: number): DigestPool {
  const pool = new DigestThreads(threads);
  const free: Buffer[] = [];
  return {
    md5: () => pool.md5(),
    allocate: (bytes) => (bytes === CHUNK_BYTES ? free.pop() : undefined) ?? Buffer.from(new SharedArrayBuffer(bytes)),
    recycle(chunk) {
      // Fresh memory costs page faults, zeroing, and collections that outside memory brings about: 3x in all for 1 MiB.
      if (chunk.length === CHUNK_BYTES && chunk.buffer instanceof SharedArrayBuffer && free.length < FREE_CHUNKS_MAX)
        free.push(chunk);
    },
    close: () => pool.close(),
  };
}
