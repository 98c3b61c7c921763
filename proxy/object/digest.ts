/**
 * MD5 of bodies, the ETag both APIs promise. Small bodies are hashed where they are; a large body's MD5 takes 1.4 ms a
 * MiB, which would hold up everybody else, so it runs in a worker (digest-pool). Order within one body is kept.
 */
import { createHash } from 'node:crypto';

export interface Digest {
  /** Resolves when more may come; the buffer must not change before the digest is taken. */
  update(bytes: Uint8Array): Promise<void> | void;
  /** 32 hex digits. */
  hex(): Promise<string> | string;
  /** Gives up. */
  cancel(): void;
}

export interface DigestPool {
  /** For one large body. */
  md5(): Digest;
  close(): Promise<void>;
}

/** On this thread: for the simulator and for machines without a core to spare. */
export const inlineDigests: DigestPool = {
  md5() {
    const hash = createHash('md5');
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex'), cancel() {} };
  },
  async close() {},
};
