/**
 * CopyObject and the source half of UploadPartCopy. The store references the source's bytes; they are read here only when
 * the client asks for a checksum that the source does not have.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { xmlElement } from '../../fabric/xml.ts';
import {
  type Body,
  type BodySource,
  type ContainerRef,
  type CopyOptions,
  type ObjectAttributes,
  type ObjectInfo,
  type ObjectRef,
  type OpenObject,
  storeFaults,
  type Tags,
} from '../object/contract.ts';
import { overlaid } from '../object/metadata.ts';
import { readAclHeaders } from './acl-request.ts';
import { readCopySource } from './address.ts';
import { REDIRECT, readAttributes, readRedirect, STANDARD, STORAGE_CLASS } from './attributes.ts';
import { checkOwner, checkVersionId, isoTime, pushVersion, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { type ChecksumKind, checksumsXml, type Digest, kindOfWord, startDigest } from './checksums.ts';
import { readSourceConditions, readWriteConditions } from './conditions.ts';
import { openWholeSource } from './dynamic.ts';
import { pushEncryption, readEncryption, readSourceKey, WRITE_HEADERS } from './encryption.ts';
import { s3Fault } from './errors.ts';
import { pushExpiration } from './lifecycle.ts';
import { readLockHeaders } from './lock.ts';
import { explainIfMatch } from './put-object.ts';
import { readTagHeader } from './tags.ts';
import { BODY_BYTES_MAX } from './upload-body.ts';

const SELF_COPY =
  "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";

const MARKER_SOURCE = 'The source of a copy request may not specifically refer to a delete marker by version id.';

export async function copyObject(call: S3Call): Promise<HttpResponse> {
  refuseAnonymous(call);
  const { headers } = call.request;
  const directive = readDirective(call);
  const attributes = directive === 'replace' ? readAttributes(call.request) : undefined;
  const wanted = headers.get('x-amz-checksum-algorithm');
  const kind = wanted === undefined ? undefined : kindOfWord(wanted);
  const conditions = readWriteConditions(headers);
  const sourceConditions = readSourceConditions(headers);
  const source = await readSource(call, directive === 'copy' && !changesStorage(headers));
  const ref = await resolveObject(call);
  const acl = readAclHeaders(call);
  const tags = readTaggingDirective(call);
  const lock = readLockHeaders(call);
  const encryption = readEncryption(call);
  const sourceKey = readSourceKey(call);
  const options: CopyOptions = {
    source,
    sourceConditions,
    conditions,
    directive,
    attributes,
    overlay: directive === 'copy' ? readOverlay(headers) : undefined,
    acl,
    tags,
    lock,
    encryption,
    sourceKey,
    opaqueEtag: true,
  };
  const copying = sourceErrors(copy(call, ref, { options, kind }), call, source);
  const { info, source: read } = await explainIfMatch(copying, call, { ref, conditions });
  pushVersion(call.headers, info);
  pushEncryption(call, info.encryption);
  pushExpiration(call.headers, info);
  if (read.versionId !== undefined) call.headers.push('x-amz-copy-source-version-id', read.versionId);
  const type =
    Object.keys(info.checksums).length === 0 ? '' : xmlElement('ChecksumType', info.checksumType ?? 'FULL_OBJECT');
  const times = `<LastModified>${isoTime(info.stamp)}</LastModified><ETag>&quot;${info.etag}&quot;</ETag>`;
  return xmlAnswer(call, 'CopyObjectResult', times + checksumsXml(info.checksums) + type);
}

export function refuseAnonymous({ auth }: S3Call): void {
  if (auth.user === undefined)
    throw s3Fault('AccessDenied', 'Anonymous users cannot copy objects.  Please authenticate.');
}

/** What no copy has of its source, REPLACE or not: the storage class and where the website leads from it. */
function readOverlay(headers: S3Call['request']['headers']): CopyOptions['overlay'] {
  const wanted = headers.get(STORAGE_CLASS) ?? STANDARD;
  return { [STORAGE_CLASS]: wanted === STANDARD ? '' : wanted, [REDIRECT]: readRedirect(headers) ?? '' };
}

function changesStorage(headers: S3Call['request']['headers']): boolean {
  return headers.has(STORAGE_CLASS) || headers.has(REDIRECT) || WRITE_HEADERS.some((name) => headers.has(name));
}

function readDirective(call: S3Call): 'copy' | 'replace' {
  const { headers } = call.request;
  const text = headers.get('x-amz-metadata-directive') ?? 'COPY';
  if (text === 'COPY') return 'copy';
  if (text === 'REPLACE') return 'replace';
  const fields = { ArgumentName: 'x-amz-metadata-directive', ArgumentValue: text };
  throw s3Fault('InvalidArgument', 'Unknown metadata directive.', fields);
}

/** Tags in place of the source's; undefined where these stay. */
function readTaggingDirective(call: S3Call): Tags | undefined {
  const { headers } = call.request;
  const text = headers.get('x-amz-tagging-directive') ?? 'COPY';
  if (text === 'REPLACE') return readTagHeader(call) ?? [];
  // S3 takes no notice of tags that come along without REPLACE; here nothing is accepted and ignored.
  if (text === 'COPY' && headers.get('x-amz-tagging')) throw s3Fault('NotImplemented', '', { Header: 'x-amz-tagging' });
  if (text === 'COPY') return undefined;
  const fields = { ArgumentName: 'x-amz-tagging-directive', ArgumentValue: text };
  throw s3Fault('InvalidArgument', 'Unknown tagging directive.', fields);
}

/** The object that x-amz-copy-source names. */
export async function readSource(call: S3Call, refuseSelf: boolean): Promise<ObjectRef> {
  const { headers, body } = call.request;
  if (body.lengthBytes !== undefined && body.lengthBytes > 0) {
    throw s3Fault('InvalidRequest', 'A copy takes its bytes from x-amz-copy-source and has no body.');
  }
  const source = readCopySource(headers.get('x-amz-copy-source') ?? '');
  checkVersionId(source.versionId);
  if (refuseSelf && source.versionId === undefined && source.bucket === call.bucket && source.key === call.key)
    throw s3Fault('InvalidRequest', SELF_COPY);
  const { account, container } = await resolveSource(call, source.bucket);
  checkOwner({ account, container }, headers.get('x-amz-source-expected-bucket-owner'));
  return { account, container, object: source.key, versionId: source.versionId };
}

async function resolveSource(call: S3Call, bucket: string): Promise<ContainerRef> {
  try {
    return await call.world.store.resolveBucket(call.context, bucket);
  } catch (error) {
    if (!isFault(error, storeFaults.noSuchContainer)) throw error;
    throw s3Fault('NoSuchBucket', '', { BucketName: bucket });
  }
}

/** Faults of a copy in words about its source. */
export async function sourceErrors<T>(copying: Promise<T>, call: S3Call, source: ObjectRef): Promise<T> {
  try {
    return await copying;
  } catch (error) {
    if (!isFault(error)) throw error;
    const { code, details } = error;
    // Of the target no info is at hand, and a header that is met by nothing is its own.
    const isOfSource = details['info'] !== undefined;
    if (code === storeFaults.notModified || (code === storeFaults.preconditionFailed && isOfSource))
      throw s3Fault('PreconditionFailed', '', { Condition: `x-amz-copy-source-${details['header']}` });
    if (code === storeFaults.isDeleteMarker) throw s3Fault('InvalidRequest', MARKER_SOURCE);
    if (code === storeFaults.noSuchVersion)
      throw s3Fault('NoSuchVersion', '', { Key: source.object, VersionId: source.versionId ?? '' });
    if (code === storeFaults.noSuchObject && details['header'] === undefined)
      throw new Fault(code, { ...details, xml: { Key: source.object } });
    if (code === storeFaults.invalidRange) throw beyondSource(call, Number(details['sizeBytes']));
    throw error;
  }
}

function beyondSource({ request }: S3Call, sizeBytes: number): Error {
  const ArgumentName = 'x-amz-copy-source-range';
  const fields = { ArgumentName, ArgumentValue: request.headers.get(ArgumentName) ?? '' };
  return s3Fault('InvalidArgument', `Range specified is not valid for source object of size: ${sizeBytes}`, fields);
}

interface Copying {
  readonly options: CopyOptions;
  /** The checksum that the client asks for. */
  readonly kind: ChecksumKind | undefined;
}

async function copy(call: S3Call, target: ObjectRef, { options, kind }: Copying): Promise<Copied> {
  // What a prefix yields is nowhere stored as such.
  const whole = await openWholeSource(call, options.source, options.sourceConditions);
  if (whole !== undefined) return copyBytes(call, target, { options, kind, opened: whole });
  if (kind !== undefined) return copyWithChecksum(call, target, { options, kind });
  return call.world.store.copyObject(call.context, target, options);
}

interface Copied {
  readonly info: ObjectInfo;
  readonly source: ObjectInfo;
}

async function copyWithChecksum(
  call: S3Call,
  target: ObjectRef,
  { options, kind }: Copying & { kind: ChecksumKind },
): Promise<Copied> {
  const { store } = call.world;
  const conditions = options.sourceConditions;
  const opened = await store.getObject(call.context, options.source, { conditions, customerKey: options.sourceKey });
  const source = opened.info;
  const isWhole = (source.checksumType ?? 'FULL_OBJECT') === 'FULL_OBJECT';
  if (source.checksums[kind.name] !== undefined && isWhole) {
    return store.copyObject(call.context, target, options);
  }
  return copyBytes(call, target, { options, kind, opened });
}

/** Reads the source and writes it anew. */
async function copyBytes(
  call: S3Call,
  target: ObjectRef,
  { options, kind, opened }: Copying & { opened: OpenObject },
): Promise<Copied> {
  const source = opened.info;
  if (source.sizeBytes > BODY_BYTES_MAX) {
    const message = 'The specified copy source is larger than the maximum allowable size for a copy source';
    throw s3Fault('InvalidRequest', `${message}: ${BODY_BYTES_MAX}`);
  }
  const attributes: ObjectAttributes = options.attributes ?? source;
  const body = new DigestedBody(opened.open(0, source.sizeBytes), kind && startDigest(kind.name));
  try {
    const info = await call.world.store.putObject(call.context, target, {
      contentType: attributes.contentType,
      user: attributes.user,
      headers: overlaid(attributes.headers, options.overlay),
      conditions: options.conditions,
      acl: options.acl,
      lock: options.lock,
      encryption: options.encryption,
      opaqueEtag: true,
      tags: options.tags ?? tagsToCopy(source),
      body,
      finish: () => (kind && body.digest ? { checksums: { [kind.name]: body.digest.base64() } } : {}),
    });
    return { info, source };
  } catch (error) {
    body.cancel();
    throw error;
  }
}

function tagsToCopy({ tags }: ObjectInfo): Tags | undefined {
  if (tags === 'hidden') throw s3Fault('AccessDenied');
  return tags;
}

/** An object's bytes as another one's body. */
export class DigestedBody implements BodySource {
  readonly lengthBytes: number;
  readonly digest: Digest | undefined;
  readonly #body: Body;

  constructor(body: Body, digest?: Digest) {
    this.lengthBytes = body.lengthBytes;
    this.digest = digest;
    this.#body = body;
  }

  async read(): Promise<Uint8Array | undefined> {
    const piece = await this.#body.next();
    if (piece !== undefined) this.digest?.update(piece);
    return piece;
  }

  async collect(limitBytes: number): Promise<Buffer> {
    if (this.lengthBytes > limitBytes) throw s3Fault('EntityTooLarge');
    const pieces: Uint8Array[] = [];
    for (let piece = await this.read(); piece !== undefined; piece = await this.read()) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  cancel(): void {
    this.#body.cancel();
  }
}
