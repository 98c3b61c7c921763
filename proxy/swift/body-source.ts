/** Bodies for a PUT that do not come from the client. */
import { Fault } from '../../fabric/errors.ts';
import { type Body, type BodySource, storeFaults } from '../object/contract.ts';

/** An opened object as the body of another. */
export function bodySource(body: Body): BodySource {
  return { lengthBytes: body.lengthBytes, read: () => body.next(), collect: (limitBytes) => collect(body, limitBytes) };
}

export function emptyBody(): BodySource {
  return { lengthBytes: 0, read: async () => undefined, collect: async () => Buffer.alloc(0) };
}

async function collect(body: Body, limitBytes: number): Promise<Buffer> {
  if (body.lengthBytes > limitBytes) throw new Fault(storeFaults.bodyTooLarge);
  const pieces: Uint8Array[] = [];
  for (let piece = await body.next(); piece; piece = await body.next()) pieces.push(piece);
  return Buffer.concat(pieces);
}
