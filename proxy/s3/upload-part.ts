/** UploadPart and UploadPartCopy. */
import { Fault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { type CopyOptions, type ObjectRef, type OpenObject, type PartInfo, storeFaults } from '../object/contract.ts';
import { isoTime, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { checksumsXml, kindOfName, pushSums } from './checksums.ts';
import { readSourceConditions } from './conditions.ts';
import { DigestedBody, readSource, refuseAnonymous, sourceErrors } from './copy-object.ts';
import { openWholeSource } from './dynamic.ts';
import { pushEncryption, readEncryption, readSourceKey } from './encryption.ts';
import { s3Fault } from './errors.ts';
import { openUploadBody } from './upload-body.ts';

const PART_NUMBER_MAX = 10_000;

export async function uploadPart(call: S3Call): Promise<HttpResponse> {
  const part = readPart(call);
  if (call.request.headers.has('x-amz-copy-source')) return copyPart(call, part);
  const brought = openUploadBody(call);
  const ref = await resolveObject(call);
  const upload = await call.world.store.headUpload(call.context, ref, part.uploadId);
  const wanted = kindOfName(upload.checksumAlgorithm);
  if (wanted !== undefined && brought.checksum !== undefined && brought.checksum !== wanted) {
    const types = `expected checksum Type: ${wanted.name}, actual checksum Type: ${brought.checksum.name}`;
    throw s3Fault('InvalidRequest', `Checksum Type mismatch occurred, ${types}`);
  }
  // What the upload was announced with is taken even where the part does not bring it.
  const body = wanted === undefined || brought.checksum !== undefined ? brought : openUploadBody(call, { wanted });
  const stored = await call.world.store.putPart(call.context, ref, part, {
    body: body.body,
    md5: body.md5,
    encryption: readEncryption(call),
    opaqueEtag: true,
    finish: body.finish,
  });
  call.headers.push('ETag', `"${stored.etag}"`);
  pushSums(call.headers, stored.checksums);
  pushEncryption(call, upload.encryption);
  return { status: 200, headers: call.headers };
}

interface Part {
  readonly uploadId: string;
  readonly partNumber: number;
}

function readPart(call: S3Call): Part {
  const text = call.query.get('partNumber') ?? '';
  const partNumber = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (partNumber < 1 || partNumber > PART_NUMBER_MAX) {
    const fields = { ArgumentName: 'partNumber', ArgumentValue: text };
    throw s3Fault(
      'InvalidArgument',
      `Part number must be an integer between 1 and ${PART_NUMBER_MAX}, inclusive`,
      fields,
    );
  }
  return { uploadId: call.query.get('uploadId') ?? '', partNumber };
}

async function copyPart(call: S3Call, part: Part): Promise<HttpResponse> {
  refuseAnonymous(call);
  const header = call.request.headers.get('x-amz-copy-source-range');
  const range = header === undefined ? undefined : readRange(header);
  const source = await readSource(call, false);
  const ref = await resolveObject(call);
  const sourceConditions = readSourceConditions(call.request.headers);
  const encryption = readEncryption(call);
  const sourceKey = readSourceKey(call);
  const options = {
    source,
    sourceConditions,
    range,
    directive: 'copy' as const,
    encryption,
    sourceKey,
    opaqueEtag: true,
  };
  const stored = await sourceErrors(storeCopy(call, ref, { part, options }), call, source);
  const { sourceVersionId = source.versionId } = stored;
  if (sourceVersionId !== undefined) call.headers.push('x-amz-copy-source-version-id', sourceVersionId);
  const { encryption: used } = await call.world.store.headUpload(call.context, ref, part.uploadId);
  pushEncryption(call, used);
  const times = `<LastModified>${isoTime(stored.stamp)}</LastModified><ETag>&quot;${stored.etag}&quot;</ETag>`;
  return xmlAnswer(call, 'CopyPartResult', times + checksumsXml(stored.checksums));
}

async function storeCopy(
  call: S3Call,
  ref: ObjectRef,
  { part, options }: { readonly part: Part; readonly options: CopyOptions },
): Promise<PartInfo> {
  const { store } = call.world;
  const whole = await openWholeSource(call, options.source, options.sourceConditions);
  if (whole === undefined) return store.copyPart(call.context, ref, part, options);
  const { encryption, opaqueEtag } = options;
  return store.putPart(call.context, ref, part, { body: wholeBody(whole, options.range), encryption, opaqueEtag });
}

function wholeBody(whole: OpenObject, range: CopyOptions['range']): DigestedBody {
  const { sizeBytes } = whole.info;
  const { offset, length } = range ?? { offset: 0, length: sizeBytes };
  if (offset + length > sizeBytes) throw new Fault(storeFaults.invalidRange, { sizeBytes });
  return new DigestedBody(whole.open(offset, length));
}

/** `bytes=first-last`, both given. That it lies within the source is for the store to say. */
function readRange(header: string): { offset: number; length: number } {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  const first = Number(match?.[1] ?? 1);
  const last = Number(match?.[2] ?? 0);
  if (last >= first) return { offset: first, length: last - first + 1 };
  const fields = { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header };
  const message =
    'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy';
  throw s3Fault('InvalidArgument', message, fields);
}
