/** Request bodies in XML: bounded, checked against every digest that came with them, then parsed. */
import { hash } from 'node:crypto';
import { isFault } from '../../fabric/errors.ts';
import { httpFaults } from '../../fabric/http/contract.ts';
import { parseXml, type XmlElement } from '../../fabric/xml.ts';
import type { S3Call } from './call.ts';
import { s3Fault } from './errors.ts';
import { openUploadBody } from './upload-body.ts';

export interface XmlBodyOptions {
  readonly bytesMax: number;
  /** As many as a proper document can have. */
  readonly elementsMax: number;
  /** 'required': Content-MD5 or a checksum must come with the body. */
  readonly digest?: 'required';
  /** CompleteMultipartUpload: x-amz-checksum-… is the object's, not the body's. */
  readonly isAboutObject?: boolean;
  /** A bucket may let everybody do what the document says. */
  readonly byAnybody?: boolean;
}

/** Undefined when the body is empty. */
export async function readOptionalXml(call: S3Call, options: XmlBodyOptions): Promise<XmlElement | undefined> {
  const bytes = await readBytes(call, options);
  return bytes.length === 0 ? undefined : parseXml(bytes, options.elementsMax);
}

export async function readXml(call: S3Call, options: XmlBodyOptions): Promise<XmlElement> {
  const bytes = await readBytes(call, options);
  if (bytes.length === 0) throw s3Fault('MissingRequestBodyError');
  return parseXml(bytes, options.elementsMax);
}

/** Empty when there is none. */
export async function readBytes(
  call: S3Call,
  { bytesMax, digest, isAboutObject = false, byAnybody = false }: XmlBodyOptions,
): Promise<Buffer> {
  // Nearly every document changes what nobody may change unnamed: no need to read it.
  if (call.auth.user === undefined && !byAnybody) throw s3Fault('AccessDenied');
  const upload = openUploadBody(call, { bytesMax, isAboutObject });
  if (digest === 'required' && upload.md5 === undefined && upload.checksum === undefined) {
    throw s3Fault('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
  let bytes: Buffer;
  try {
    bytes = await upload.body.collect(bytesMax);
  } catch (error) {
    if (isFault(error, httpFaults.bodyTooLarge)) throw s3Fault('MaxMessageLengthExceeded');
    throw error;
  }
  if (upload.md5 !== undefined && hash('md5', bytes, 'hex') !== upload.md5) throw s3Fault('BadDigest');
  upload.finish?.({ md5: upload.md5 ?? '', sizeBytes: bytes.length });
  return bytes;
}

/** Elements of a document by name; MalformedXML for one that is not among `names`, or twice where it may come once. */
export function checkChildren(element: XmlElement, names: ReadonlySet<string>, repeated?: string): void {
  const seen = new Set<string>();
  for (const { name } of element.children) {
    if (!names.has(name) || (seen.has(name) && name !== repeated)) throw s3Fault('MalformedXML');
    seen.add(name);
  }
}
