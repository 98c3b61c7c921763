/** Bodies and attributes on their way into and out of the store in memory. */
import { createHash } from 'node:crypto';
import { Fault } from '../fabric/errors.ts';
import {
  type CompletedPart,
  type CopyOptions,
  type ObjectAttributes,
  type ObjectInfo,
  type OpenObject,
  type PartInfo,
  type PutOptions,
  storeFaults,
} from '../proxy/object/contract.ts';
import { overlaid } from '../proxy/object/metadata.ts';
import { bufferBody } from '../proxy/object/slo.ts';
import type { Upload } from './memory-store-state.ts';

const PART_BYTES_MIN = 5 * 1024 * 1024;

export function attributesOf(attributes: ObjectAttributes) {
  return {
    contentType: attributes.contentType ?? 'application/octet-stream',
    user: attributes.user ?? {},
    headers: attributes.headers ?? {},
    deleteAt: attributes.deleteAt,
  };
}

export function copiedAttributes(
  source: ObjectInfo,
  { directive, attributes = {}, overlay }: CopyOptions,
): ObjectAttributes {
  if (directive === 'copy') return attributesOf({ ...source, headers: overlaid(source.headers, overlay) ?? {} });
  const contentType = attributes.contentType ?? source.contentType;
  if (directive === 'replace') return { ...attributes, contentType };
  return {
    contentType,
    user: { ...source.user, ...attributes.user },
    headers: { ...source.headers, ...attributes.headers },
    deleteAt: attributes.deleteAt ?? source.deleteAt,
  };
}

export async function receive(
  options: PutOptions,
): Promise<{ bytes: Buffer; md5: string; checksums: ObjectInfo['checksums'] | undefined }> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let piece = await options.body.read(); piece; piece = await options.body.read()) {
    pieces.push(Buffer.from(piece));
    sizeBytes += piece.length;
    if (sizeBytes > (options.bodyBytesMax ?? Number.POSITIVE_INFINITY)) throw new Fault(storeFaults.bodyTooLarge);
  }
  const declared = options.body.lengthBytes;
  if (declared !== undefined && declared !== sizeBytes) throw new Fault(storeFaults.incompleteBody);
  const bytes = Buffer.concat(pieces);
  const md5 = createHash('md5').update(bytes).digest('hex');
  if (options.md5 !== undefined && options.md5 !== md5) throw new Fault(storeFaults.badDigest, { algorithm: 'md5' });
  return { bytes, md5, checksums: options.finish?.({ md5, sizeBytes }).checksums };
}

export async function readAll(source: OpenObject, range?: { offset: number; length: number }): Promise<Buffer> {
  const size = source.info.sizeBytes;
  if (range && range.offset + range.length > size) throw new Fault(storeFaults.invalidRange, { sizeBytes: size });
  const body = source.open(range?.offset ?? 0, range?.length ?? size);
  const pieces: Uint8Array[] = [];
  for (let piece = await body.next(); piece; piece = await body.next()) pieces.push(piece);
  return Buffer.concat(pieces);
}

export function bytesSource(bytes: Buffer): PutOptions['body'] {
  const body = bufferBody(bytes);
  return { lengthBytes: bytes.length, read: () => body.next(), collect: async () => bytes };
}

export function joinSums(algorithm: string | undefined, parts: readonly { info: PartInfo }[]): Buffer {
  return Buffer.concat(parts.map(({ info }) => Buffer.from(info.checksums[algorithm as 'sha1'] ?? '', 'base64')));
}

/** The parts that a completion names, in its order. */
export function chooseParts(upload: Upload, wanted: readonly CompletedPart[]): { info: PartInfo; bytes: Buffer }[] {
  let previous = 0;
  return wanted.map(({ partNumber, etag }, index) => {
    const part = upload.parts.get(partNumber);
    if (partNumber <= previous) throw new Fault(storeFaults.invalidPartOrder);
    previous = partNumber;
    if (part?.info.etag !== etag) throw new Fault(storeFaults.invalidPart, { partNumber, etag });
    const isLast = index === wanted.length - 1;
    const sizeBytes = part.bytes.length;
    if (!isLast && sizeBytes < PART_BYTES_MIN)
      throw new Fault(storeFaults.partTooSmall, { partNumber, etag, sizeBytes });
    return part;
  });
}
