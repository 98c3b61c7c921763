/**
 * MD5 of bodies, the ETag both APIs promise. Small bodies are hashed where they are; a large body's MD5 takes 1.4 ms a
 * MiB, which would hold up everybody else, so in production it runs on threads (fabric/worker-digest.ts).
 */
import { createHash } from 'node:crypto';
import { DigestThreads } from '../../fabric/worker-digest.ts';

export interface Digest {
  /** Resolves when more may come; the buffer must not change before the digest is taken. */
  update(bytes: Uint8Array): Promise<void> | undefined;
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
  close(): Promise<void>;
}

/** On this thread: for the simulator, which replays, and where there is no core to spare. */
export const inlineDigests: DigestPool = {
  md5() {
    const hash = createHash('md5');
    return {
      update: (bytes) => {
        hash.update(bytes);
        return undefined;
      },
      hex: () => hash.digest('hex'),
      cancel() {},
    };
  },
  allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
  async close() {},
};

export function createThreadDigests(threads: number): DigestPool {
  const pool = new DigestThreads(threads);
  return {
    md5: () => pool.md5(),
    allocate: (bytes) => Buffer.from(new SharedArrayBuffer(bytes)),
    close: () => pool.close(),
  };
}
