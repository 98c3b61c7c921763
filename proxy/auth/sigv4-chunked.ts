/**
 * Body of `Content-Encoding: aws-chunked`, decoded as it flows: chunk signatures and trailers are verified, the decoded
 * length is exactly the one announced. Holds one piece of the source and a bounded line, never a chunk. The last bytes
 * are given out only after everything behind them was found right, so a reader that stops early has still seen a check.
 *
 *     size-hex [;chunk-signature=64 hex] CRLF  bytes CRLF   …   0 [;chunk-signature=64 hex] CRLF
 *     [name:value CRLF …  [x-amz-trailer-signature:64 hex CRLF]]  CRLF
 */
import { createHash, hash } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import { httpFaults } from '../../fabric/http/contract.ts';
import type { BodySource } from '../object/contract.ts';
import type { ChunkSigning } from './sigv4.ts';
import { refusal, sigv4Faults } from './sigv4-faults.ts';
import { sameSignature } from './sigv4-keys.ts';

/** Of a chunk's head line. */
const LINE_BYTES_MAX = 256;
/** Of everything behind the last chunk. */
const TRAILER_BYTES_MAX = 16 * 1024;
const TRAILERS_MAX = 16;
/** As S3: signed chunks but the last must be worth their signature. */
const SIGNED_CHUNK_BYTES_MIN = 8192;
const SIZE_DIGITS_MAX = 12;
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const EMPTY = Buffer.alloc(0);
const CR = 0x0d;
const LF = 0x0a;

export interface ChunkedOptions {
  readonly source: BodySource;
  /** x-amz-decoded-content-length. */
  readonly decodedBytes: number;
  /** Undefined for STREAMING-UNSIGNED-PAYLOAD-TRAILER. */
  readonly signing: ChunkSigning | undefined;
  /** Names of x-amz-trailer, lower-case; undefined where the mode has no trailer. */
  readonly trailerNames: readonly string[] | undefined;
}

type State = 'head' | 'data' | 'data-end' | 'trailer' | 'done';

export class AwsChunkedBody implements BodySource {
  readonly lengthBytes: number;
  readonly #options: ChunkedOptions;
  readonly #trailers = new Map<string, string>();
  #state: State = 'head';
  /** Bytes of the source not yet looked at. */
  #input: Buffer = EMPTY;
  #decodedBytes = 0;
  #chunkBytes = 0;
  #chunkLeftBytes = 0;
  #chunkSignature = '';
  #previousSignature: string;
  /** Of the current chunk when it comes in several pieces. */
  #chunkHash: ReturnType<typeof createHash> | undefined;
  #shortChunkSeen = false;

  constructor(options: ChunkedOptions) {
    this.#options = options;
    this.lengthBytes = options.decodedBytes;
    this.#previousSignature = options.signing?.seedSignature ?? '';
  }

  /** By lower-case name; complete once `read` gave undefined or the last byte. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers;
  }

  async read(): Promise<Uint8Array | undefined> {
    const piece = await this.#nextPiece();
    if (piece === undefined || this.#decodedBytes < this.lengthBytes) return piece;
    // The last piece: nothing may follow but the end.
    const more = await this.#nextPiece();
    if (more !== undefined) throw badChunk('data follows the last chunk');
    return piece;
  }

  async collect(limitBytes: number): Promise<Buffer> {
    if (this.lengthBytes > limitBytes) throw new Fault(httpFaults.bodyTooLarge, { limitBytes });
    const first = await this.read();
    if (first === undefined) return EMPTY;
    if (first.byteLength === this.lengthBytes) return first as Buffer;
    const whole = Buffer.allocUnsafeSlow(this.lengthBytes);
    let at = 0;
    for (let piece: Uint8Array | undefined = first; piece !== undefined; piece = await this.read()) {
      whole.set(piece, at);
      at += piece.byteLength;
    }
    return whole;
  }

  async #nextPiece(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#state === 'done') return undefined;
      if (this.#state === 'data') return await this.#takeData();
      if (this.#state === 'head') this.#startChunk(await this.#line());
      else if (this.#state === 'data-end') await this.#endData();
      else await this.#endBody();
    }
  }

  #startChunk(line: string): void {
    const semicolon = line.indexOf(';');
    const digits = semicolon < 0 ? line : line.slice(0, semicolon);
    const size = digits.length <= SIZE_DIGITS_MAX && /^[0-9a-fA-F]+$/.test(digits) ? Number.parseInt(digits, 16) : -1;
    if (size < 0) throw badChunk('a chunk size is not a hexadecimal number');
    this.#chunkSignature = this.#readSignature(semicolon < 0 ? '' : line.slice(semicolon + 1));
    if (size > this.lengthBytes - this.#decodedBytes) throw wrongLength();
    if (size === 0) {
      if (this.#decodedBytes !== this.lengthBytes) throw wrongLength();
      this.#checkSignature(EMPTY_SHA256);
      this.#state = 'trailer';
      return;
    }
    if (this.#options.signing !== undefined) {
      if (this.#shortChunkSeen) throw refusal(sigv4Faults.invalidChunkSize);
      this.#shortChunkSeen = size < SIGNED_CHUNK_BYTES_MIN;
    }
    this.#chunkBytes = size;
    this.#chunkLeftBytes = size;
    this.#state = 'data';
  }

  #readSignature(extension: string): string {
    if (this.#options.signing === undefined) {
      if (extension !== '') throw badChunk('a chunk has an unknown extension');
      return '';
    }
    if (!extension.startsWith('chunk-signature=')) throw badChunk('a chunk has no signature');
    return extension.slice('chunk-signature='.length);
  }

  async #takeData(): Promise<Buffer> {
    if (this.#input.length === 0) await this.#pull();
    const piece =
      this.#input.length <= this.#chunkLeftBytes ? this.#input : this.#input.subarray(0, this.#chunkLeftBytes);
    this.#input = this.#input.subarray(piece.length);
    this.#chunkLeftBytes -= piece.length;
    this.#decodedBytes += piece.length;
    if (this.#chunkLeftBytes === 0) this.#state = 'data-end';
    if (this.#options.signing !== undefined) this.#hashData(piece);
    return piece;
  }

  #hashData(piece: Buffer): void {
    if (piece.length === this.#chunkBytes) return this.#checkSignature(hash('sha256', piece, 'hex'));
    this.#chunkHash ??= createHash('sha256');
    this.#chunkHash.update(piece);
    if (this.#chunkLeftBytes > 0) return;
    const digest = this.#chunkHash.digest('hex');
    this.#chunkHash = undefined;
    this.#checkSignature(digest);
  }

  #checkSignature(dataSha256: string): void {
    const signing = this.#options.signing;
    if (signing === undefined) return;
    const head = `AWS4-HMAC-SHA256-PAYLOAD\n${signing.timestamp}\n${signing.scope}\n`;
    const expected = signing.key.sign(`${head}${this.#previousSignature}\n${EMPTY_SHA256}\n${dataSha256}`);
    if (!sameSignature(expected, this.#chunkSignature)) throw refusal(sigv4Faults.signatureDoesNotMatch);
    this.#previousSignature = this.#chunkSignature;
  }

  async #endData(): Promise<void> {
    if ((await this.#line()) !== '') throw badChunk('a chunk is longer than its size says');
    this.#state = 'head';
  }

  /** Everything behind the last chunk's head, to the end of the source. */
  async #endBody(): Promise<void> {
    let rest: Buffer = this.#input;
    for (;;) {
      if (rest.length > TRAILER_BYTES_MAX) throw refusal(sigv4Faults.malformedTrailer);
      const piece = await this.#options.source.read();
      if (piece === undefined) break;
      rest = rest.length === 0 ? asBuffer(piece) : Buffer.concat([rest, piece]);
    }
    this.#input = EMPTY;
    this.#state = 'done';
    const text = rest.toString('latin1');
    if (this.#options.trailerNames !== undefined) this.#readTrailers(text, this.#options.trailerNames);
    else if (text !== '\r\n' && text !== '') throw badChunk('data follows the last chunk');
  }

  /** Lines end in CRLF; a lone LF and blank lines are accepted, because one widespread client signs and sends those. */
  #readTrailers(text: string, names: readonly string[]): void {
    let signed = '';
    let signature: string | undefined;
    for (const raw of text.split('\n')) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') continue;
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (colon < 1 || signature !== undefined) throw refusal(sigv4Faults.malformedTrailer);
      if (name === 'x-amz-trailer-signature' && this.#options.signing !== undefined) {
        signature = value;
        continue;
      }
      const expected = names.includes(name) && !this.#trailers.has(name) && this.#trailers.size < TRAILERS_MAX;
      if (!expected) throw refusal(sigv4Faults.malformedTrailer);
      this.#trailers.set(name, value);
      signed += `${name}:${value}\n`;
    }
    if (this.#trailers.size !== names.length) throw refusal(sigv4Faults.malformedTrailer);
    this.#checkTrailerSignature(signed, signature ?? '');
  }

  #checkTrailerSignature(signed: string, signature: string): void {
    const signing = this.#options.signing;
    if (signing === undefined) return;
    const digest = hash('sha256', Buffer.from(signed, 'latin1'), 'hex');
    const head = `AWS4-HMAC-SHA256-TRAILER\n${signing.timestamp}\n${signing.scope}\n`;
    const expected = signing.key.sign(`${head}${this.#previousSignature}\n${digest}`);
    if (!sameSignature(expected, signature)) throw refusal(sigv4Faults.signatureDoesNotMatch);
  }

  /** Up to the next CRLF, without it. */
  async #line(): Promise<string> {
    for (;;) {
      const end = this.#input.subarray(0, LINE_BYTES_MAX).indexOf(LF);
      if (end >= 0) {
        if (end === 0 || this.#input[end - 1] !== CR) throw badChunk('a line does not end in CRLF');
        const line = this.#input.toString('latin1', 0, end - 1);
        this.#input = this.#input.subarray(end + 1);
        return line;
      }
      if (this.#input.length >= LINE_BYTES_MAX) throw badChunk('a chunk head is too long');
      await this.#pull();
    }
  }

  /** Appends at least one byte of the source to the input. */
  async #pull(): Promise<void> {
    for (;;) {
      const piece = await this.#options.source.read();
      if (piece === undefined) throw refusal(sigv4Faults.incompleteBody);
      if (piece.byteLength === 0) continue;
      this.#input = this.#input.length === 0 ? asBuffer(piece) : Buffer.concat([this.#input, piece]);
      return;
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function wrongLength(): Error {
  return refusal(
    sigv4Faults.incompleteBody,
    'You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header',
  );
}

function badChunk(what: string): Error {
  return refusal(sigv4Faults.invalidRequest, `The aws-chunked body is malformed: ${what}.`);
}
