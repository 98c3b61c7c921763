/**
 * GetObjectAttributes: what is known of an object without its bytes, as x-amz-object-attributes asks for it.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { xmlElement } from '../../fabric/xml.ts';
import { formatHttpDate } from '../http-date.ts';
import type { ObjectInfo } from '../object/contract.ts';
import { STANDARD, STORAGE_CLASS } from './attributes.ts';
import { checkVersionId, lastModifiedMs, pushVersion, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { checksumsXml, partChecksum } from './checksums.ts';
import { isDynamic, openWhole } from './dynamic.ts';
import { readCustomerKey } from './encryption.ts';
import { s3Fault } from './errors.ts';

const HEADER = 'x-amz-object-attributes';
const PARTS_MAX = 1000;
/** In the order of the answer. */
const ATTRIBUTES: Readonly<Record<string, (info: ObjectInfo, page: Page) => string>> = {
  ETag: (info) => xmlElement('ETag', info.etag),
  Checksum: checksumXml,
  ObjectParts: partsXml,
  StorageClass: ({ headers }) => xmlElement('StorageClass', headers[STORAGE_CLASS] ?? STANDARD),
  ObjectSize: (info) => xmlElement('ObjectSize', info.sizeBytes),
};

interface Page {
  readonly max: number;
  /** Part number before the first one to be shown. */
  readonly marker: number;
}

export async function getObjectAttributes(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const wanted = readWanted(call);
  const page = {
    max: readCount(call, 'x-amz-max-parts', PARTS_MAX),
    marker: readCount(call, 'x-amz-part-number-marker', 0),
  };
  const ref = await resolveObject(call);
  const options = { customerKey: readCustomerKey(call), judgesKey: true };
  const stored = await call.world.store.headObject(call.context, ref, options);
  const info = isDynamic(stored) ? (await openWhole(call, ref.account, stored)).info : stored;
  call.headers.push('Last-Modified', formatHttpDate(lastModifiedMs(info.stamp)));
  pushVersion(call.headers, info);
  let inner = '';
  for (const [name, render] of Object.entries(ATTRIBUTES)) if (wanted.has(name)) inner += render(info, page);
  return xmlAnswer(call, 'GetObjectAttributesResponse', inner);
}

function readWanted(call: S3Call): ReadonlySet<string> {
  const text = call.request
    .headerLines()
    .filter((_, i, lines) => i % 2 === 1 && lines[i - 1] === HEADER)
    .join(',');
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) {
    const message = `The ${HEADER} header specifying the attributes to be retrieved is either missing or empty`;
    throw s3Fault('InvalidRequest', message);
  }
  const unknown = names.find((name) => !Object.hasOwn(ATTRIBUTES, name));
  if (unknown === undefined) return new Set(names);
  throw s3Fault('InvalidArgument', 'Invalid attribute name specified.', {
    ArgumentName: HEADER,
    ArgumentValue: unknown,
  });
}

function readCount(call: S3Call, name: string, absent: number): number {
  const text = call.request.headers.get(name);
  if (text === undefined) return absent;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw s3Fault('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`, {
    ArgumentName: name,
    ArgumentValue: text,
  });
}

function checksumXml({ checksums, checksumType }: ObjectInfo): string {
  const inner = checksumsXml(checksums);
  if (inner === '') return '';
  return `<Checksum>${inner}${xmlElement('ChecksumType', checksumType ?? 'FULL_OBJECT')}</Checksum>`;
}

/** Nothing for an object that was not uploaded in parts. S3 lists single parts only where they have checksums; here all are. */
function partsXml(info: ObjectInfo, { max, marker }: Page): string {
  const sizes = info.partSizes;
  if (sizes === undefined) return '';
  const shown = sizes.slice(marker, marker + Math.min(max, PARTS_MAX));
  const parts = shown.map((size, i) => {
    const number = marker + i + 1;
    const checksum = partChecksum(info, number);
    const sum = checksum === undefined ? '' : xmlElement(checksum.kind.element, checksum.value);
    return `<Part>${xmlElement('PartNumber', number)}${xmlElement('Size', size)}${sum}</Part>`;
  });
  const last = marker + shown.length;
  return `<ObjectParts>${[
    xmlElement('PartsCount', sizes.length),
    xmlElement('PartNumberMarker', marker),
    xmlElement('NextPartNumberMarker', last),
    xmlElement('MaxParts', max),
    xmlElement('IsTruncated', last < sizes.length),
    ...parts,
  ].join('')}</ObjectParts>`;
}
