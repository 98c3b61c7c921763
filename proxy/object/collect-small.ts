/** The start of a body: all of it when it is small enough to travel inside a register. */
import { Fault } from '../../fabric/errors.ts';
import { type BodySource, storeFaults } from './contract.ts';

/** The whole body when it fits into `inlineMax`; otherwise what had to be read of it to know that it does not. */
export async function collectSmall(body: BodySource, inlineMax: number): Promise<{ whole?: Buffer; start?: Buffer }> {
  const { lengthBytes } = body;
  if (lengthBytes === 0) return { whole: await body.collect(0) };
  if (lengthBytes !== undefined) {
    if (lengthBytes > inlineMax) return {};
    const whole = await body.collect(lengthBytes);
    if (whole.length !== lengthBytes) throw new Fault(storeFaults.incompleteBody);
    return { whole };
  }
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  while (sizeBytes <= inlineMax) {
    const piece = await body.read();
    if (piece === undefined) {
      if (inlineMax > 0 || sizeBytes === 0) return { whole: Buffer.concat(pieces) };
      break;
    }
    pieces.push(piece);
    sizeBytes += piece.length;
  }
  return { start: Buffer.concat(pieces) };
}
