/** CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload. */
import { isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import {
  type ChecksumName,
  type CompletedPart,
  type ObjectRef,
  type PartInfo,
  storeFaults,
  type UploadInfo,
} from '../object/contract.ts';
import { readAclHeaders } from './acl-request.ts';
import { readAttributes } from './attributes.ts';
import { emptyAnswer, objectLocation, pushVersion, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import {
  badDigest,
  type ChecksumKind,
  type Checksums,
  checksumsXml,
  combineParts,
  KINDS,
  kindOfName,
  kindOfWord,
  multipartType,
} from './checksums.ts';
import { bareEtag, readWriteConditions } from './conditions.ts';
import { pushEncryption, readEncryption } from './encryption.ts';
import { s3Fault } from './errors.ts';
import { pushAbort, pushExpiration } from './lifecycle.ts';
import { readLockHeaders } from './lock.ts';
import { explainIfMatch } from './put-object.ts';
import { readTagHeader } from './tags.ts';
import { checkChildren, readOptionalXml } from './xml-body.ts';

const PARTS_MAX = 10_000;
const PARTS_PAGE = 1000;
/** Ten thousand parts with ETag and a SHA-256 each, generously indented. */
const COMPLETE_BYTES_MAX = 8 * 1024 * 1024;
/** A part, its number, its ETag and one checksum. */
const COMPLETE_ELEMENTS_MAX = PARTS_MAX * 4 + 1;
const PART_NAMES: ReadonlySet<string> = new Set(['PartNumber', 'ETag', ...KINDS.map((kind) => kind.element)]);

export async function createUpload(call: S3Call): Promise<HttpResponse> {
  const { headers } = call.request;
  if (call.auth.user === undefined)
    throw s3Fault('AccessDenied', 'Anonymous users cannot initiate multipart uploads.  Please authenticate.');
  const attributes = readAttributes(call.request);
  const word = headers.get('x-amz-checksum-algorithm');
  const declaredType = headers.get('x-amz-checksum-type');
  if (word === undefined && declaredType !== undefined) {
    throw s3Fault(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const kind = word === undefined ? undefined : kindOfWord(word);
  const type = kind === undefined ? undefined : multipartType(kind, declaredType);
  const ref = await resolveObject(call);
  const checksum = kind === undefined || type === undefined ? {} : { checksumAlgorithm: kind.name, checksumType: type };
  const upload = await call.world.store.createUpload(call.context, ref, {
    ...attributes,
    ...checksum,
    acl: readAclHeaders(call),
    tags: readTagHeader(call),
    lock: readLockHeaders(call),
    encryption: readEncryption(call),
  });
  if (kind !== undefined && type !== undefined) {
    call.headers.push('x-amz-checksum-algorithm', kind.word, 'x-amz-checksum-type', type);
  }
  pushEncryption(call, upload.encryption);
  pushAbort(call.headers, upload);
  const names = xmlElement('Bucket', call.bucket) + xmlElement('Key', call.key);
  return xmlAnswer(call, 'InitiateMultipartUploadResult', names + xmlElement('UploadId', upload.uploadId));
}

export async function abortUpload(call: S3Call): Promise<HttpResponse> {
  const ref = await resolveObject(call);
  await call.world.store.abortUpload(call.context, ref, call.query.get('uploadId') ?? '');
  return emptyAnswer(call, 204);
}

export async function completeUpload(call: S3Call): Promise<HttpResponse> {
  const uploadId = call.query.get('uploadId') ?? '';
  const conditions = readWriteConditions(call.request.headers);
  const size = readObjectSize(call.request.headers.get('x-amz-mp-object-size'));
  const root = await readOptionalXml(call, {
    bytesMax: COMPLETE_BYTES_MAX,
    elementsMax: COMPLETE_ELEMENTS_MAX,
    isAboutObject: true,
  });
  if (root === undefined) throw s3Fault('InvalidRequest', 'You must specify at least one part');
  const parts = readParts(root);
  const ref = await resolveObject(call);
  const checksums = await wholeChecksums(call, ref, { uploadId, parts });
  const completing = call.world.store.completeUpload(call.context, ref, uploadId, {
    parts,
    ...(conditions === undefined ? {} : { conditions }),
    ...(checksums === undefined ? {} : { checksums }),
    ...(size === undefined ? {} : { sizeBytes: size }),
  });
  const info = await explainIfMatch(explainSize(completing), call, { ref, conditions });
  pushVersion(call.headers, info);
  pushEncryption(call, info.encryption);
  pushExpiration(call.headers, info);
  const names =
    xmlElement('Location', objectLocation(call)) + xmlElement('Bucket', call.bucket) + xmlElement('Key', call.key);
  const type = info.checksumType === undefined ? '' : xmlElement('ChecksumType', info.checksumType);
  const etag = `<ETag>&quot;${info.etag}&quot;</ETag>`;
  return xmlAnswer(call, 'CompleteMultipartUploadResult', names + etag + checksumsXml(info.checksums) + type);
}

function readObjectSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw s3Fault('InvalidRequest', 'Value for x-amz-mp-object-size header is invalid.');
}

async function explainSize<T>(completing: Promise<T>): Promise<T> {
  try {
    return await completing;
  } catch (error) {
    // Of the digests only the size is left to the store.
    if (!isFault(error, storeFaults.badDigest)) throw error;
    throw s3Fault(
      'InvalidRequest',
      "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
    );
  }
}

function readParts(root: XmlElement): CompletedPart[] {
  const elements = root.children.filter((child) => child.name === 'Part');
  if (root.name !== 'CompleteMultipartUpload' || elements.length === 0 || elements.length > PARTS_MAX)
    throw s3Fault('MalformedXML');
  checkChildren(root, new Set(['Part']), 'Part');
  let last = 0;
  return elements.map((element) => {
    checkChildren(element, PART_NAMES);
    const number = childText(element, 'PartNumber')?.trim() ?? '';
    const etag = childText(element, 'ETag');
    if (!/^\d{1,5}$/.test(number) || etag === undefined) throw s3Fault('MalformedXML');
    if (Number(number) < 1) {
      const fields = { ArgumentName: 'PartNumber', ArgumentValue: number };
      throw s3Fault('InvalidArgument', 'PartNumber must be >= 1', fields);
    }
    if (Number(number) <= last) throw s3Fault('InvalidPartOrder');
    last = Number(number);
    const checksums: Partial<Record<ChecksumName, string>> = {};
    for (const kind of KINDS) {
      const value = childText(element, kind.element);
      if (value !== undefined) checksums[kind.name] = value;
    }
    return { partNumber: Number(number), etag: bareEtag(etag), checksums };
  });
}

/** The object's checksum from the parts' ones, compared with what the client sent along. */
async function wholeChecksums(
  call: S3Call,
  ref: ObjectRef,
  wanted: { readonly uploadId: string; readonly parts: readonly CompletedPart[] },
): Promise<Checksums | undefined> {
  let upload: UploadInfo;
  try {
    upload = await call.world.store.headUpload(call.context, ref, wanted.uploadId, readEncryption(call));
  } catch (error) {
    // Completed before, perhaps: the store then repeats its answer, or says itself that there is no such upload.
    if (isFault(error, storeFaults.noSuchUpload)) return undefined;
    throw error;
  }
  const kind = kindOfName(upload.checksumAlgorithm);
  checkDeclared(call, kind, upload.checksumType);
  if (kind === undefined) return undefined;
  const stored = await storedParts(call, ref, wanted.uploadId);
  const chosen: PartInfo[] = [];
  for (const part of wanted.parts) {
    const found = stored.get(part.partNumber);
    if (found === undefined || found.checksums[kind.name] === undefined || found.etag !== part.etag)
      throw s3Fault('InvalidPart', '', {
        UploadId: wanted.uploadId,
        PartNumber: String(part.partNumber),
        ETag: part.etag,
      });
    chosen.push(found);
  }
  const type = multipartType(kind, upload.checksumType);
  const value = combineParts(kind, type, chosen);
  checkPromise(call, kind, { value, isComposite: type === 'COMPOSITE' });
  return { [kind.name]: value };
}

/** A checksum or type that the upload was not announced with could not be compared: refused, not passed over. */
function checkDeclared(call: S3Call, kind: ChecksumKind | undefined, type: string | undefined): void {
  const { headers } = call.request;
  const declaredType = headers.get('x-amz-checksum-type');
  if (declaredType !== undefined && declaredType !== type) {
    const message = `The upload was created using the ${type ?? 'null'} checksum mode. The complete request must use the same checksum mode.`;
    throw s3Fault('InvalidRequest', message);
  }
  for (const each of KINDS) {
    if (each === kind || !headers.has(each.header)) continue;
    const types = `expected checksum Type: ${kind?.name ?? 'null'}, actual checksum Type: ${each.name}`;
    throw s3Fault('InvalidRequest', `Checksum Type mismatch occurred, ${types}`);
  }
}

function checkPromise(call: S3Call, kind: ChecksumKind, actual: { value: string; isComposite: boolean }): void {
  const { headers } = call.request;
  const promised = headers.get(kind.header);
  if (promised === undefined) return;
  const bare = actual.value.split('-')[0];
  if (promised !== actual.value && !(actual.isComposite && promised === bare)) throw badDigest(kind);
}

async function storedParts(call: S3Call, ref: ObjectRef, uploadId: string): Promise<Map<number, PartInfo>> {
  const found = new Map<number, PartInfo>();
  let after = 0;
  for (let pages = 0; pages <= PARTS_MAX / PARTS_PAGE; pages++) {
    const page = await call.world.store.listParts(call.context, ref, uploadId, { after, limit: PARTS_PAGE });
    for (const part of page.parts) found.set(part.partNumber, part);
    after = page.parts.at(-1)?.partNumber ?? after;
    if (!page.truncated) break;
  }
  return found;
}
