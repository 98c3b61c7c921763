/** PutObject: attributes, promises about the body and conditions to one call of the store. */

import { isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { type Conditions, type ObjectLock, type ObjectRef, storeFaults } from '../object/contract.ts';
import { readAclHeaders } from './acl-request.ts';
import { readAttributes } from './attributes.ts';
import { pushVersion, resolveObject, type S3Call } from './call.ts';
import { pushChecksums } from './checksums.ts';
import { readWriteConditions } from './conditions.ts';
import { pushEncryption, readEncryption } from './encryption.ts';
import { s3Fault } from './errors.ts';
import { pushExpiration } from './lifecycle.ts';
import { readLockHeaders } from './lock.ts';
import { readTagHeader } from './tags.ts';
import { BODY_BYTES_MAX, openUploadBody, type UploadBody } from './upload-body.ts';

export function putObject(call: S3Call): Promise<HttpResponse> {
  return storeBody(call, openUploadBody(call));
}

/** Also for the file of a form. */
export async function storeBody(call: S3Call, upload: UploadBody): Promise<HttpResponse> {
  const attributes = readAttributes(call.request);
  const conditions = readWriteConditions(call.request.headers);
  const ref = await resolveObject(call);
  const put = call.world.store.putObject(call.context, ref, {
    contentType: attributes.contentType,
    user: attributes.user,
    headers: attributes.headers,
    acl: readAclHeaders(call),
    tags: readTagHeader(call),
    lock: readLock(call, upload),
    encryption: readEncryption(call),
    opaqueEtag: true,
    body: upload.body,
    md5: upload.md5,
    finish: upload.finish,
    conditions,
    bodyBytesMax: BODY_BYTES_MAX,
  });
  const info = conditions === undefined ? await put : await explainIfMatch(put, call, { ref, conditions });
  call.headers.push('ETag', `"${info.etag}"`);
  pushVersion(call.headers, info);
  pushEncryption(call, info.encryption);
  pushExpiration(call.headers, info);
  pushChecksums(call.headers, info);
  return { status: 200, headers: call.headers };
}

/** What cannot be deleted again must not have been damaged on its way. */
function readLock(call: S3Call, { md5, checksum }: UploadBody): ObjectLock | undefined {
  const lock = readLockHeaders(call);
  if (lock === undefined || md5 !== undefined || checksum !== undefined) return lock;
  const message =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters';
  throw s3Fault('InvalidRequest', message);
}

/** S3 answers 404, not 412, when If-Match meets no object at all. */
export async function explainIfMatch<T>(
  write: Promise<T>,
  call: S3Call,
  target: { readonly ref: ObjectRef; readonly conditions: Conditions | undefined },
): Promise<T> {
  try {
    return await write;
  } catch (error) {
    // With words of its own it is about the source of a copy.
    if (!isFault(error, storeFaults.preconditionFailed) || error.details['xml'] !== undefined) throw error;
    const { ref, conditions } = target;
    if (conditions?.ifMatch !== undefined) await call.world.store.headObject(call.context, ref);
    throw s3Fault('PreconditionFailed', '', {
      Condition: conditions?.ifMatch === undefined ? 'If-None-Match' : 'If-Match',
    });
  }
}
