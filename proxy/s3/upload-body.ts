/**
 * The body of an upload as the store reads it: aws-chunked decoding, and every digest that the request promised, taken as
 * the bytes flow by. `finish` is the last word before anything becomes visible. Passes the body through untouched where
 * nothing was promised.
 */
import { AwsChunkedBody } from '../auth/sigv4-chunked.ts';
import type { BodySource, PutOptions } from '../object/contract.ts';
import type { S3Call } from './call.ts';
import {
  badDigest,
  type ChecksumKind,
  checkValue,
  type DeclaredChecksum,
  type Digest,
  declaredChecksum,
  isBase64Of,
  kindOfHeader,
  kindOfWord,
  startDigest,
} from './checksums.ts';
import { s3Fault } from './errors.ts';

/** S3's limit for one PUT and for one part. */
export const BODY_BYTES_MAX = 5 * 1024 ** 3;
const TRAILER_NAMES_MAX = 16;
const MD5_BYTES = 16;

export interface UploadBody {
  readonly body: BodySource;
  /** 0 for one that is open-ended. */
  readonly lengthBytes: number;
  /** Hex, from Content-MD5: the store compares it. */
  readonly md5: string | undefined;
  readonly finish: PutOptions['finish'];
  /** The checksum that the client sent or announced. */
  readonly checksum: ChecksumKind | undefined;
}

export interface UploadBodyOptions {
  readonly bytesMax?: number;
  /** Take this checksum even when the request brings none. */
  readonly wanted?: ChecksumKind | undefined;
  /** Checksum headers are about something else than this body. */
  readonly isAboutObject?: boolean;
  /** Nobody says how long it is: the file of a form. */
  readonly isOpenEnded?: boolean;
}

export function openUploadBody(call: S3Call, options: UploadBodyOptions = {}): UploadBody {
  const headers = call.request.headers;
  const payload = call.auth.payload;
  const declared = options.isAboutObject ? undefined : declaredChecksum(headers);
  const trailerNames =
    payload.kind === 'chunked' && payload.trailer ? readTrailerNames(headers.get('x-amz-trailer')) : undefined;
  const trailing = trailerNames === undefined ? undefined : trailingChecksum(trailerNames, declared);
  checkSdkAlgorithm(headers.get('x-amz-sdk-checksum-algorithm'), declared?.kind ?? trailing);
  const declaredBytes = payload.kind === 'chunked' ? decodedLength(call) : call.request.body.lengthBytes;
  const lengthBytes = declaredBytes ?? (options.isOpenEnded ? 0 : undefined);
  // As S3: an upload says how long it is, even when it is empty.
  const isSilent = lengthBytes === 0 && options.bytesMax === undefined && !headers.has('content-length');
  if (lengthBytes === undefined || (isSilent && !options.isOpenEnded && !headers.has('transfer-encoding')))
    throw s3Fault('MissingContentLength');
  const bytesMax = options.bytesMax ?? BODY_BYTES_MAX;
  if (lengthBytes > bytesMax) {
    const isDocument = options.bytesMax !== undefined;
    if (isDocument) throw s3Fault('MaxMessageLengthExceeded', '', { MaxMessageLengthBytes: String(bytesMax) });
    throw s3Fault('EntityTooLarge', '', { ProposedSize: String(lengthBytes), MaxSizeAllowed: String(bytesMax) });
  }
  const md5 = readContentMd5(headers.get('content-md5'));
  let source: BodySource = call.request.body;
  let chunked: AwsChunkedBody | undefined;
  if (payload.kind === 'chunked') {
    chunked = new AwsChunkedBody({ source, decodedBytes: lengthBytes, signing: payload.signing, trailerNames });
    source = chunked;
  }
  const sha256Hex = payload.kind === 'sha256' ? payload.hex : undefined;
  const checksum = declared?.kind ?? trailing;
  const taken = checksum ?? options.wanted;
  if (taken === undefined && sha256Hex === undefined)
    return { body: source, lengthBytes, md5, finish: undefined, checksum };
  const checked = new CheckedBody(source, { sha256Hex, taken, declared, chunked });
  return { body: checked, lengthBytes, md5, finish: () => checked.finish(), checksum };
}

interface Promises {
  readonly sha256Hex: string | undefined;
  readonly taken: ChecksumKind | undefined;
  readonly declared: DeclaredChecksum | undefined;
  readonly chunked: AwsChunkedBody | undefined;
}

class CheckedBody implements BodySource {
  readonly lengthBytes: number | undefined;
  readonly #source: BodySource;
  readonly #promises: Promises;
  readonly #sha256: Digest | undefined;
  readonly #taken: Digest | undefined;

  constructor(source: BodySource, promises: Promises) {
    this.lengthBytes = source.lengthBytes;
    this.#source = source;
    this.#promises = promises;
    this.#sha256 = promises.sha256Hex === undefined ? undefined : startDigest('sha256');
    // One SHA-256 serves both promises.
    const shared = promises.taken?.name === 'sha256' && this.#sha256 !== undefined;
    this.#taken = promises.taken === undefined || shared ? undefined : startDigest(promises.taken.name);
  }

  async read(): Promise<Uint8Array | undefined> {
    const piece = await this.#source.read();
    if (piece === undefined) return undefined;
    this.#sha256?.update(piece);
    this.#taken?.update(piece);
    return piece;
  }

  async collect(limitBytes: number): Promise<Buffer> {
    const bytes = await this.#source.collect(limitBytes);
    this.#sha256?.whole(bytes);
    this.#taken?.whole(bytes);
    return bytes;
  }

  finish(): { checksums?: NonNullable<ReturnType<NonNullable<PutOptions['finish']>>['checksums']> } {
    const { sha256Hex, taken, declared, chunked } = this.#promises;
    const sha256 = this.#sha256?.base64();
    if (sha256Hex !== undefined && sha256 !== undefined) checkSha256(sha256Hex, sha256);
    if (taken === undefined) return {};
    const value = (this.#taken ?? this.#sha256)!.base64();
    const promised = declared?.value ?? chunked?.trailers.get(taken.header);
    if (promised !== undefined) {
      checkValue(taken, promised);
      if (promised !== value) throw badDigest(taken);
    }
    return { checksums: { [taken.name]: value } };
  }
}

function checkSha256(promisedHex: string, actualBase64: string): void {
  if (Buffer.from(promisedHex, 'hex').toString('base64') === actualBase64) return;
  throw s3Fault('XAmzContentSHA256Mismatch', '', {
    ClientComputedContentSHA256: promisedHex,
    S3ComputedContentSHA256: Buffer.from(actualBase64, 'base64').toString('hex'),
  });
}

function decodedLength(call: S3Call): number {
  const text = call.request.headers.get('x-amz-decoded-content-length');
  if (text === undefined) throw s3Fault('MissingContentLength');
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw s3Fault('InvalidArgument', 'x-amz-decoded-content-length is not a number', {
    ArgumentName: 'x-amz-decoded-content-length',
    ArgumentValue: text,
  });
}

function readTrailerNames(header: string | undefined): readonly string[] {
  const names = (header ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length > TRAILER_NAMES_MAX || new Set(names).size !== names.length) throw s3Fault('MalformedTrailerError');
  return names;
}

/** Only checksums may trail. */
function trailingChecksum(names: readonly string[], declared: DeclaredChecksum | undefined): ChecksumKind | undefined {
  let found: ChecksumKind | undefined;
  for (const name of names) {
    const each = kindOfHeader(name);
    if (each === undefined) {
      throw s3Fault('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported');
    }
    if (found !== undefined || declared !== undefined) {
      throw s3Fault(
        'InvalidRequest',
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      );
    }
    found = each;
  }
  return found;
}

function checkSdkAlgorithm(word: string | undefined, brought: ChecksumKind | undefined): void {
  if (word === undefined) return;
  const wanted = kindOfWord(word);
  if (brought === undefined) {
    throw s3Fault(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  if (brought !== wanted) throw s3Fault('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.');
}

/** Base64 to hex. */
export function readContentMd5(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (!isBase64Of(header, MD5_BYTES)) throw s3Fault('InvalidDigest', '', { 'Content-MD5': header });
  return Buffer.from(header, 'base64').toString('hex');
}
