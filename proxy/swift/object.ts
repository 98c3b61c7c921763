/** Requests about one object, by method. */
import type { SwiftCall } from './call.ts';
import { readConditions } from './conditions.ts';
import { copyFrom, copyTo } from './copy.ts';
import { refuse, swiftFaults } from './faults.ts';
import { getObject, headObject } from './object-get.ts';
import { readAttributes } from './object-headers.ts';
import { putObject } from './object-put.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';
import { deleteWithSegments } from './slo-delete.ts';
import { putManifest } from './slo-put.ts';

const METHODS = 'GET, HEAD, PUT, POST, DELETE, OPTIONS, COPY';

export function handleObject(call: SwiftCall): Promise<SwiftResponse> | SwiftResponse {
  switch (call.http.method) {
    case 'GET':
      return getObject(call);
    case 'HEAD':
      return headObject(call);
    case 'PUT':
      return put(call);
    case 'POST':
      return postObject(call);
    case 'DELETE':
      return call.params.get('multipart-manifest') === 'delete' ? deleteWithSegments(call) : deleteObject(call);
    case 'COPY':
      return copyTo(call);
    case 'OPTIONS':
      return emptyResponse(200, ['Allow', METHODS]);
    default:
      throw refuse(swiftFaults.methodNotAllowed, undefined, ['Allow', METHODS]);
  }
}

function put(call: SwiftCall): Promise<SwiftResponse> {
  if (call.header('x-copy-from')) return copyFrom(call);
  return call.params.get('multipart-manifest') === 'put' ? putManifest(call) : putObject(call);
}

/** Replaces all metadata; the content type stays where the request has none. */
async function postObject(call: SwiftCall): Promise<SwiftResponse> {
  await call.world.store.updateObject(call, call.objectRef, readAttributes(call));
  return emptyResponse(202);
}

async function deleteObject(call: SwiftCall): Promise<SwiftResponse> {
  const conditions = readConditions(call);
  const { existed } = await call.world.store.deleteObject(call, call.objectRef, conditions ? { conditions } : {});
  if (!existed) throw refuse(swiftFaults.notFound);
  return emptyResponse(204);
}
