/** POST and DELETE of one object. */
import { linkOf } from '../object/links.ts';
import type { SwiftCall } from './call.ts';
import { readConditions } from './conditions.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { readAttributes } from './object-headers.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';
import { locationOf } from './symlink.ts';

const LINK_POSTED =
  'The requested POST was applied to a symlink. POST directly to the target to apply requested metadata.';

/** Replaces all metadata; the content type stays where the request has none. */
export async function postObject(call: SwiftCall): Promise<SwiftResponse> {
  const info = await call.world.store.updateObject(call, call.objectRef, readAttributes(call));
  const link = linkOf(call.objectRef, info.headers);
  if (link === undefined) return emptyResponse(202);
  const headers = ['Location', locationOf(link.target)];
  return { ...emptyResponse(307, headers), body: LINK_POSTED };
}

export async function deleteObject(call: SwiftCall): Promise<SwiftResponse> {
  const conditions = readConditions(call);
  const { store } = call.world;
  const { existed, hadObject, versionId } = await store.deleteObject(call, call.objectRef, {
    ifDeleteAt: readIfDeleteAt(call),
    conditions,
    vacates: true,
  });
  if (versionId !== undefined) {
    // A marker was written, whether there was anything or not.
    const headers = ['X-Object-Version-Id', versionId];
    if (hadObject === false) throw refuse(swiftFaults.notFound, undefined, headers);
    return emptyResponse(204, headers);
  }
  if (!existed) throw refuse(swiftFaults.notFound);
  return emptyResponse(204);
}

/** X-If-Delete-At, as whoever deletes expired objects says it. */
function readIfDeleteAt(call: SwiftCall): number | undefined {
  const text = call.header('x-if-delete-at');
  if (text === undefined) return undefined;
  if (!/^\d{1,15}(\.\d+)?$/.test(text)) throw refuseAsPage(swiftFaults.badRequest, 'Bad X-If-Delete-At header value');
  return Math.floor(Number(text));
}
