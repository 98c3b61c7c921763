/**
 * A body whose first piece has been read already: a manifest whose first segment is broken is then answered with a status
 * (409) instead of a connection cut after 200.
 */
import type { Body } from '../object/contract.ts';

export async function primedBody(body: Body): Promise<Body> {
  let first = await body.next();
  return {
    lengthBytes: body.lengthBytes,
    next() {
      if (first === undefined) return body.next();
      const piece = first;
      first = undefined;
      return Promise.resolve(piece);
    },
    cancel() {
      first = undefined;
      body.cancel();
    },
  };
}
