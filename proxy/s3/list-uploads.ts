/** ListMultipartUploads and ListParts. */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { escapeXml, xmlElement } from '../../fabric/xml.ts';
import type { Page, UploadInfo } from '../object/contract.ts';
import { STORAGE_CLASS } from './attributes.ts';
import { classXml, isoTime, ownerXml, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { checksumsXml, kindOfName } from './checksums.ts';
import { readEncryption } from './encryption.ts';
import { pushAbort } from './lifecycle.ts';
import { readCount, readEncoding, urlEncode } from './query.ts';

const PAGE_MAX = 1000;
const COUNT_MAX = 2 ** 31 - 1;

export async function listUploads(call: S3Call): Promise<HttpResponse> {
  const { query } = call;
  const isEncoded = readEncoding(query);
  const encode = isEncoded ? urlEncode : escapeXml;
  const limit = Math.min(readCount(query, 'max-uploads', { min: 0, max: COUNT_MAX, absent: PAGE_MAX }), PAGE_MAX);
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const keyMarker = query.get('key-marker') ?? '';
  // Without a key the upload id marker means nothing.
  const uploadIdMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '');
  const ref = await resolve(call);
  const page = await call.world.store.listUploads(call.context, ref, {
    prefix: prefix || undefined,
    delimiter: delimiter || undefined,
    marker: keyMarker || undefined,
    markerSkipsPrefix: true,
    ...(uploadIdMarker === '' ? {} : { uploadIdMarker }),
    limit: Math.max(limit, 1),
  });
  const shown = limit === 0 ? { entries: [], truncated: false } : page;
  let xml = `${xmlElement('Bucket', call.bucket)}<KeyMarker>${encode(keyMarker)}</KeyMarker>`;
  xml += xmlElement('UploadIdMarker', uploadIdMarker) + nextMarkers(shown, encode);
  if (delimiter !== '') xml += `<Delimiter>${encode(delimiter)}</Delimiter>`;
  xml += `<Prefix>${encode(prefix)}</Prefix>${isEncoded ? '<EncodingType>url</EncodingType>' : ''}`;
  xml += `<MaxUploads>${limit}</MaxUploads>${xmlElement('IsTruncated', shown.truncated)}`;
  return xmlAnswer(call, 'ListMultipartUploadsResult', xml + uploadsXml(shown, encode, ref.account));
}

type UploadPage = Page<{ prefix: string } | UploadInfo>;

function nextMarkers(page: UploadPage, encode: (name: string) => string): string {
  const last = page.entries.at(-1);
  if (!page.truncated || last === undefined) return '';
  const [name, uploadId] = 'prefix' in last ? [last.prefix, ''] : [last.name, last.uploadId];
  return `<NextKeyMarker>${encode(name)}</NextKeyMarker>${xmlElement('NextUploadIdMarker', uploadId)}`;
}

function uploadsXml(page: UploadPage, encode: (name: string) => string, account: string): string {
  let uploads = '';
  let prefixes = '';
  for (const entry of page.entries) {
    if ('prefix' in entry) {
      prefixes += `<CommonPrefixes><Prefix>${encode(entry.prefix)}</Prefix></CommonPrefixes>`;
      continue;
    }
    const time = `<Initiated>${isoTime(entry.stamp)}</Initiated>`;
    const names = `<Key>${encode(entry.name)}</Key>${xmlElement('UploadId', entry.uploadId)}`;
    const checksum = checksumXml(entry);
    uploads += `<Upload>${names}${peopleXml(entry, account)}${uploadClassXml(entry)}${time}${checksum}</Upload>`;
  }
  return uploads + prefixes;
}

const peopleXml = ({ initiator, owner }: UploadInfo, account: string): string =>
  ownerXml('Initiator', initiator ?? account) + ownerXml('Owner', owner ?? account);

const uploadClassXml = ({ attributes }: UploadInfo): string => classXml({ class: attributes.headers?.[STORAGE_CLASS] });

function checksumXml(upload: UploadInfo): string {
  const kind = kindOfName(upload.checksumAlgorithm);
  if (kind === undefined) return '';
  return xmlElement('ChecksumAlgorithm', kind.word) + xmlElement('ChecksumType', upload.checksumType ?? 'COMPOSITE');
}

export async function listParts(call: S3Call): Promise<HttpResponse> {
  const { query } = call;
  const isEncoded = readEncoding(query);
  const limit = Math.min(readCount(query, 'max-parts', { min: 0, max: COUNT_MAX, absent: PAGE_MAX }), PAGE_MAX);
  const after = readCount(query, 'part-number-marker', { min: 0, max: COUNT_MAX, absent: 0 });
  const uploadId = query.get('uploadId') ?? '';
  const ref = await resolveObject(call);
  const encryption = readEncryption(call);
  if (encryption) await call.world.store.headUpload(call.context, ref, uploadId, encryption);
  const page = await call.world.store.listParts(call.context, ref, uploadId, { after, limit: Math.max(limit, 1) });
  pushAbort(call.headers, page.upload);
  const parts = limit === 0 ? [] : page.parts;
  const isTruncated = limit > 0 && page.truncated;
  const key = isEncoded ? urlEncode(call.key) : escapeXml(call.key);
  let xml = `${xmlElement('Bucket', call.bucket)}<Key>${key}</Key>${xmlElement('UploadId', uploadId)}`;
  xml += peopleXml(page.upload, ref.account);
  xml += `${uploadClassXml(page.upload)}<PartNumberMarker>${after}</PartNumberMarker>`;
  xml += `<NextPartNumberMarker>${parts.at(-1)?.partNumber ?? 0}</NextPartNumberMarker>`;
  xml += `<MaxParts>${limit}</MaxParts>${xmlElement('IsTruncated', isTruncated)}${checksumXml(page.upload)}`;
  for (const part of parts) {
    const time = `<LastModified>${isoTime(part.stamp)}</LastModified><ETag>&quot;${part.etag}&quot;</ETag>`;
    const size = `<Size>${part.sizeBytes}</Size>${checksumsXml(part.checksums)}`;
    xml += `<Part><PartNumber>${part.partNumber}</PartNumber>${time}${size}</Part>`;
  }
  return xmlAnswer(call, 'ListPartsResult', xml);
}
