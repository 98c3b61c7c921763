/**
 * Which bucket and key a request means: path style (`/bucket/key`) or virtual-host style (`bucket.domain`), from bytes on
 * the wire to checked names. Paths are never normalised: `a//b` and `a/../b` are keys.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { decodePercent } from '../auth/sigv4-canonical.ts';
import { s3Fault } from './errors.ts';

const KEY_BYTES_MAX = 1024;

export interface Address {
  /** '' for the service itself. */
  readonly bucket: string;
  /** '' for the bucket itself. */
  readonly key: string;
}

export function readAddress(request: HttpRequest, domains: readonly string[]): Address {
  const path = request.path;
  if (path.charCodeAt(0) !== 0x2f) throw s3Fault('InvalidURI');
  const hostBucket = bucketOfHost(request.headers.get('host') ?? '', domains);
  if (hostBucket !== '') return { bucket: hostBucket, key: decodeKey(path.slice(1)) };
  const slash = path.indexOf('/', 1);
  if (slash < 0) return { bucket: decodeName(path.slice(1)), key: '' };
  return { bucket: decodeName(path.slice(1, slash)), key: decodeKey(path.slice(slash + 1)) };
}

/** '' when the host names no bucket. The longest domain wins, and a domain itself is never a bucket of a shorter one. */
export function bucketOfHost(host: string, domains: readonly string[]): string {
  if (host.charCodeAt(0) === 0x5b) return '';
  const colon = host.indexOf(':');
  const name = (colon < 0 ? host : host.slice(0, colon)).toLowerCase();
  let suffixLength = 0;
  for (const domain of domains) {
    if (name === domain) return '';
    const longer = domain.length > suffixLength && name.length > domain.length + 1;
    if (longer && name.endsWith(domain) && name.charCodeAt(name.length - domain.length - 1) === 0x2e) {
      suffixLength = domain.length;
    }
  }
  return suffixLength === 0 ? '' : name.slice(0, -suffixLength - 1);
}

/** UTF-8 text from raw URL bytes (latin1, percent-encoded). */
export function decodeName(raw: string): string {
  let plain = true;
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code === 0x25 || code >= 0x80 || code === 0) {
      plain = false;
      break;
    }
  }
  return plain ? raw : decodeUtf8(decodePercent(raw));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: string): string {
  if (bytes.includes('\0')) throw s3Fault('InvalidURI');
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    throw s3Fault('InvalidURI');
  }
}

function decodeKey(raw: string): string {
  const key = decodeName(raw);
  checkKey(key);
  return key;
}

export function checkKey(key: string): void {
  // A character is at most three bytes for each of its UTF-16 units.
  if (key.length * 3 <= KEY_BYTES_MAX) return;
  const size = Buffer.byteLength(key);
  if (size <= KEY_BYTES_MAX) return;
  throw s3Fault('KeyTooLongError', '', { Size: String(size), MaxSizeAllowed: String(KEY_BYTES_MAX) });
}

const BUCKET_CHARACTERS = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const RESERVED_PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-'] as const;
const RESERVED_SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'] as const;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
export function isBucketName(name: string): boolean {
  if (!BUCKET_CHARACTERS.test(name) || name.includes('..') || /^\d+\.\d+\.\d+\.\d+$/.test(name)) return false;
  if (name.includes('.-') || name.includes('-.')) return false;
  return (
    !RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix)) && !RESERVED_SUFFIXES.some((end) => name.endsWith(end))
  );
}

export interface CopySource extends Address {
  readonly versionId: string | undefined;
}

/** x-amz-copy-source: `[/]bucket/key[?versionId=…]`, percent-encoded. */
export function readCopySource(value: string): CopySource {
  const mark = value.indexOf('?versionId=');
  const path = mark < 0 ? value : value.slice(0, mark);
  const plain = decodeName(path.startsWith('/') ? path.slice(1) : path);
  const slash = plain.indexOf('/');
  const key = plain.slice(slash + 1);
  if (slash < 1 || key === '') {
    throw s3Fault('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
      ArgumentName: 'x-amz-copy-source',
      ArgumentValue: value,
    });
  }
  checkKey(key);
  return {
    bucket: plain.slice(0, slash),
    key,
    versionId: mark < 0 ? undefined : value.slice(mark + '?versionId='.length),
  };
}
