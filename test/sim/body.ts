/** Bodies that say whose they are, and sources and sinks for them. */
import { md5Hex } from '../../fabric/hash.ts';
import type { BodySource, OpenObject } from '../../proxy/object/contract.ts';

const PIECE_BYTES = 48 * 1024;

/** Never the same for two operations. */
export function makeBody(operation: number, sizeBytes: number): Buffer {
  const text = `operation ${operation};`;
  return Buffer.alloc(Math.max(sizeBytes, text.length), text);
}

export const etagOfBody = (body: Buffer): string => md5Hex(body);

export function sourceOf(body: Buffer): BodySource {
  let at = 0;
  return {
    lengthBytes: body.length,
    async read() {
      if (at >= body.length) return undefined;
      const piece = body.subarray(at, at + PIECE_BYTES);
      at += piece.length;
      return Buffer.from(piece);
    },
    collect: async () => Buffer.from(body),
  };
}

export async function readAll(object: OpenObject): Promise<Buffer> {
  const body = object.open(0, object.info.sizeBytes);
  const pieces: Uint8Array[] = [];
  for (let piece = await body.next(); piece; piece = await body.next()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
