/**
 * S3's additional checksums: CRC32, CRC32C, CRC64NVME, SHA1, SHA256 as headers, trailers and of multipart objects.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 */
import { createHash, hash } from 'node:crypto';
import { CrcCombiner, createCrc } from '../../fabric/crc.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { xmlElement } from '../../fabric/xml.ts';
import type { ChecksumName, ObjectInfo, PartInfo } from '../object/contract.ts';
import { s3Fault } from './errors.ts';

export type Checksums = ObjectInfo['checksums'];
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

export interface ChecksumKind {
  readonly name: ChecksumName;
  readonly header: string;
  /** In XML. */
  readonly element: string;
  /** In x-amz-checksum-algorithm and messages. */
  readonly word: string;
  readonly bytes: number;
  readonly isCrc: boolean;
}

function kind(name: ChecksumName, bytes: number, isCrc: boolean): ChecksumKind {
  const word = name.toUpperCase();
  return { name, header: `x-amz-checksum-${name}`, element: `Checksum${word}`, word, bytes, isCrc };
}

export const KINDS: readonly ChecksumKind[] = [
  kind('crc32', 4, true),
  kind('crc32c', 4, true),
  kind('crc64nvme', 8, true),
  kind('sha1', 20, false),
  kind('sha256', 32, false),
];

const BY_HEADER: ReadonlyMap<string, ChecksumKind> = new Map(KINDS.map((each) => [each.header, each]));
const BY_WORD: ReadonlyMap<string, ChecksumKind> = new Map(KINDS.map((each) => [each.word, each]));
const BY_NAME: ReadonlyMap<string, ChecksumKind> = new Map(KINDS.map((each) => [each.name, each]));

export function kindOfHeader(header: string): ChecksumKind | undefined {
  return BY_HEADER.get(header);
}

export function kindOfName(name: string | undefined): ChecksumKind | undefined {
  return name === undefined ? undefined : BY_NAME.get(name);
}

/** x-amz-checksum-algorithm and the like: `CRC32C` in any case. */
export function kindOfWord(word: string): ChecksumKind {
  const found = BY_WORD.get(word.toUpperCase());
  if (found !== undefined) return found;
  throw s3Fault(
    'InvalidRequest',
    'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  );
}

export interface DeclaredChecksum {
  readonly kind: ChecksumKind;
  /** Base64. */
  readonly value: string;
}

/** The one x-amz-checksum-… value header, or undefined. */
export function declaredChecksum(headers: HttpRequest['headers']): DeclaredChecksum | undefined {
  let found: DeclaredChecksum | undefined;
  for (const each of KINDS) {
    const value = headers.get(each.header);
    if (value === undefined) continue;
    if (found !== undefined) {
      throw s3Fault(
        'InvalidRequest',
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      );
    }
    checkValue(each, value);
    found = { kind: each, value };
  }
  return found;
}

export function checkValue(each: ChecksumKind, value: string): void {
  if (isBase64Of(value, each.bytes)) return;
  throw s3Fault('InvalidRequest', `Value for ${each.header} header is invalid.`);
}

export function isBase64Of(value: string, bytes: number): boolean {
  if (value.length !== Math.ceil(bytes / 3) * 4) return false;
  const decoded = Buffer.from(value, 'base64');
  return decoded.length === bytes && decoded.toString('base64') === value;
}

export function badDigest(each: ChecksumKind): Error {
  return s3Fault('BadDigest', `The ${each.word} you specified did not match the calculated checksum.`);
}

/** A digest being taken of bytes that flow by. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** Instead of updates: all bytes at once. */
  whole(bytes: Uint8Array): void;
  base64(): string;
}

export function startDigest(name: ChecksumName): Digest {
  return name === 'sha1' || name === 'sha256' ? new HashDigest(name) : new CrcDigest(name);
}

class HashDigest implements Digest {
  readonly #name: 'sha1' | 'sha256';
  #running: ReturnType<typeof createHash> | undefined;
  #value: string | undefined;

  constructor(name: 'sha1' | 'sha256') {
    this.#name = name;
  }

  update(bytes: Uint8Array): void {
    this.#running ??= createHash(this.#name);
    this.#running.update(bytes);
  }

  whole(bytes: Uint8Array): void {
    this.#value = hash(this.#name, bytes, 'base64');
  }

  base64(): string {
    this.#value ??= (this.#running ?? createHash(this.#name)).digest('base64');
    return this.#value;
  }
}

class CrcDigest implements Digest {
  readonly #crc: ReturnType<typeof createCrc>;

  constructor(name: 'crc32' | 'crc32c' | 'crc64nvme') {
    this.#crc = createCrc(name);
  }

  update(bytes: Uint8Array): void {
    this.#crc.update(bytes);
  }

  whole(bytes: Uint8Array): void {
    this.#crc.update(bytes);
  }

  base64(): string {
    return this.#crc.digest().toString('base64');
  }
}

/** x-amz-checksum-type of a multipart upload, or what S3 takes when it is not given. */
export function multipartType(each: ChecksumKind, declared: string | undefined): ChecksumType {
  if (declared === undefined) return each.name === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE';
  if (declared !== 'COMPOSITE' && declared !== 'FULL_OBJECT') {
    throw s3Fault('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  const impossible = declared === 'FULL_OBJECT' ? !each.isCrc : each.name === 'crc64nvme';
  if (!impossible) return declared;
  throw s3Fault(
    'InvalidRequest',
    `The ${declared} checksum type cannot be used with the ${each.name} checksum algorithm.`,
  );
}

/** Checksum of a multipart object from its parts' ones; `base64-N` when composite. Every part has to have one. */
export function combineParts(each: ChecksumKind, type: ChecksumType, parts: readonly PartInfo[]): string {
  const values = parts.map((part) => Buffer.from(part.checksums[each.name] ?? '', 'base64'));
  if (type === 'FULL_OBJECT' && each.isCrc) {
    const combiner = new CrcCombiner(each.name as 'crc32' | 'crc32c' | 'crc64nvme');
    for (const [index, part] of parts.entries()) combiner.append(values[index]!, part.sizeBytes);
    return combiner.digest().toString('base64');
  }
  const digest = startDigest(each.name);
  digest.whole(Buffer.concat(values));
  return `${digest.base64()}-${parts.length}`;
}

/** Pushes the headers of x-amz-checksum-mode: ENABLED. */
export function pushChecksums(out: string[], info: Pick<ObjectInfo, 'checksums' | 'checksumType'>): void {
  if (pushSums(out, info.checksums)) out.push('x-amz-checksum-type', info.checksumType ?? 'FULL_OBJECT');
}

/** Their values alone; false where there are none. */
export function pushSums(out: string[], checksums: Checksums): boolean {
  let any = false;
  for (const each of KINDS) {
    const value = checksums[each.name];
    if (value === undefined) continue;
    out.push(each.header, value);
    any = true;
  }
  return any;
}

/** Of one part of an object that was uploaded in parts, counted from 1. */
export function partChecksum(info: ObjectInfo, partNumber: number): DeclaredChecksum | undefined {
  const each = info.partSums && KINDS.find(({ name }) => info.checksums[name] !== undefined);
  if (!each || !info.partSums || partNumber * each.bytes > info.partSums.length) return undefined;
  const bytes = info.partSums.subarray((partNumber - 1) * each.bytes, partNumber * each.bytes);
  return { kind: each, value: Buffer.from(bytes).toString('base64') };
}

/** The same as elements of an XML answer. */
export function checksumsXml(checksums: Checksums): string {
  let xml = '';
  for (const each of KINDS) {
    const value = checksums[each.name];
    if (value !== undefined) xml += xmlElement(each.element, value);
  }
  return xml;
}
