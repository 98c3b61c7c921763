/** POST and DELETE of one object. */
import type { SwiftCall } from './call.ts';
import { readConditions } from './conditions.ts';
import { refuse, swiftFaults } from './faults.ts';
import { readAttributes } from './object-headers.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';

/** Replaces all metadata; the content type stays where the request has none. */
export async function postObject(call: SwiftCall): Promise<SwiftResponse> {
  await call.world.store.updateObject(call, call.objectRef, readAttributes(call));
  return emptyResponse(202);
}

export async function deleteObject(call: SwiftCall): Promise<SwiftResponse> {
  const conditions = readConditions(call);
  const { existed } = await call.world.store.deleteObject(call, call.objectRef, conditions ? { conditions } : {});
  if (!existed) throw refuse(swiftFaults.notFound);
  return emptyResponse(204);
}
