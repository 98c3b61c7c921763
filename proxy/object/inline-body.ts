/** A body that is at hand as a whole. */
import type { HttpBodyStream } from '../../fabric/http/contract.ts';
import type { Body } from './contract.ts';

export function inlineBody(whole: Buffer, offset: number, length: number): Body & HttpBodyStream {
  const bytes = offset === 0 && length === whole.length ? whole : whole.subarray(offset, offset + length);
  let given = false;
  return {
    lengthBytes: bytes.length,
    bytes,
    async next() {
      if (given || bytes.length === 0) return undefined;
      given = true;
      return bytes;
    },
    cancel() {},
  };
}
