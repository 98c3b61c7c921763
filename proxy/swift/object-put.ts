/** PUT of an object's bytes: length, ETag and attributes are checked before the first byte is asked for. */

import { Fault } from '../../fabric/errors.ts';
import { type BodySource, type ObjectInfo, type PutOptions, storeFaults } from '../object/contract.ts';
import { LINK_HEADER } from '../object/links.ts';
import type { SwiftCall } from './call.ts';
import { bareEtag, readPutConditions } from './conditions.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { checkNewName } from './names.ts';
import { readNewAttributes } from './object-headers.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';
import { lastModified, shownEtag } from './shown.ts';
import { readLink } from './symlink.ts';
import { restoreVersion } from './versions.ts';

/** 5 GiB and 2 bytes, as `/info` says. */
export const FILE_BYTES_MAX = 5_368_709_122;
const MD5 = /^[0-9a-f]{32}$/;

export async function putObject(call: SwiftCall): Promise<SwiftResponse> {
  checkNewName('Object', call.object);
  refuseReserved(call);
  const link = call.header(LINK_HEADER) === undefined ? undefined : await readLink(call);
  const { contentType, user, headers, deleteAt } = readNewAttributes(call);
  const options: PutOptions = {
    contentType: link && !call.header('content-type') ? link.contentType : contentType,
    user,
    headers: link ? { ...headers, ...link.headers } : headers,
    deleteAt,
    body: readBody(call),
    md5: readExpectedMd5(call),
    conditions: readPutConditions(call),
    bodyBytesMax: FILE_BYTES_MAX,
  };
  return createdResponse(await call.world.store.putObject(call, call.objectRef, options));
}

/** A client that thinks it makes a large object so would lose it. */
function refuseReserved(call: SwiftCall): void {
  if (call.header('x-static-large-object') === undefined) return;
  const text =
    'X-Static-Large-Object is a reserved header. To create a static large object add query param multipart-manifest=put.';
  throw refuseAsPage(swiftFaults.badRequest, text);
}

export function createdResponse(info: ObjectInfo, extra: readonly string[] = []): SwiftResponse {
  const headers = ['Etag', shownEtag(info), 'Last-Modified', lastModified(info.stamp), ...extra];
  if (info.versionId !== undefined && info.versionId !== 'null') headers.push('X-Object-Version-Id', info.versionId);
  return emptyResponse(201, headers);
}

/** `PUT ?version-id`. */
export async function putVersion(call: SwiftCall): Promise<SwiftResponse> {
  return createdResponse(await restoreVersion(call));
}

/** The request's body, once its length is known to be acceptable. */
export function readBody(call: SwiftCall, bytesMax = FILE_BYTES_MAX): BodySource {
  const { body } = call.http;
  const { lengthBytes } = body;
  if (lengthBytes === 0 && call.header('content-length') === undefined) throw new Fault(storeFaults.lengthRequired);
  if (lengthBytes !== undefined && lengthBytes > bytesMax) throw refuse(swiftFaults.tooLarge);
  return body;
}

/** ETag of the request: what the client holds the MD5 of its body to be. */
export function readExpectedMd5(call: SwiftCall): string | undefined {
  const etag = call.header('etag');
  if (etag === undefined || etag === '') return undefined;
  const md5 = bareEtag(etag).toLowerCase();
  if (!MD5.test(md5)) throw refuse(swiftFaults.unprocessable);
  return md5;
}
