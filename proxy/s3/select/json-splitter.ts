/**
 * Finds where values of JSON begin and end, without understanding them: in text where one follows the other, and among the
 * items of arrays there, if they are what is wanted. What it cuts out is parsed by others, who find what is no JSON.
 */
import { s3Fault } from '../errors.ts';
import { RECORD_BYTES_MAX } from './limits.ts';

const NOTHING = Buffer.alloc(0);
const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [BRACKET, BRACKET_END, BRACE, BRACE_END] = [0x5b, 0x5d, 0x7b, 0x7d];

const MARK = Buffer.from('\ufeff');

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

export class JsonSplitter {
  readonly #opensArrays: boolean;
  #rest: Buffer = NOTHING;
  /** Of `#rest`: looked at already. */
  #at = 0;
  /** Containers that are open within the value. */
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  /** Where the value begins that is under way, or -1. */
  #start = -1;
  /** In an array that was opened: what may come next. */
  #inArray: 'no' | 'first' | 'item' | 'after' = 'no';
  /** Bytes of a byte order mark at the beginning that have been passed. */
  #marked = 0;
  /** An array without items has just been passed. */
  #hasEmpty = false;

  /** `opensArrays`: items of an array are given one by one, and undefined for an empty one. */
  constructor(opensArrays: boolean) {
    this.#opensArrays = opensArrays;
  }

  /** Values that are whole. Faults OverMaxRecordSize, JSONParsingError. */
  *push(piece: Buffer): Generator<Buffer | undefined> {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let at = this.#at;
    while (at < bytes.length) {
      if (this.#start < 0) {
        at = this.#between(bytes, at);
        if (this.#hasEmpty) yield undefined;
        this.#hasEmpty = false;
        continue;
      }
      const end = this.#inside(bytes, at);
      if (end === undefined) break;
      // What is no array has no items.
      yield this.#inArray === 'no' && this.#opensArrays ? undefined : bytes.subarray(this.#start, end);
      this.#start = -1;
      if (this.#inArray !== 'no') this.#inArray = 'after';
      at = end;
    }
    const from = this.#start < 0 ? bytes.length : this.#start;
    this.#rest = bytes.subarray(from);
    this.#at = bytes.length - from;
    if (this.#start >= 0) this.#start = 0;
    if (this.#rest.length > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
  }

  /** A number may be the last thing there is. */
  *end(): Generator<Buffer | undefined> {
    if (this.#inArray !== 'no' || this.#depth > 0 || this.#inString) throw s3Fault('JSONParsingError');
    if (this.#start >= 0) yield this.#opensArrays ? undefined : this.#rest;
    this.#rest = NOTHING;
  }

  /** Outside of values: blanks, and what stands between items. Returns where to go on. */
  #between(bytes: Buffer, at: number): number {
    const byte = bytes[at] as number;
    if (byte === MARK[this.#marked]) {
      this.#marked++;
      return at + 1;
    }
    this.#marked = MARK.length;
    if (isSpace(byte)) return at + 1;
    if (this.#inArray === 'after') {
      if (byte !== COMMA && byte !== BRACKET_END) throw s3Fault('JSONParsingError');
      this.#inArray = byte === COMMA ? 'item' : 'no';
      return at + 1;
    }
    if (this.#inArray === 'first' && byte === BRACKET_END) {
      this.#inArray = 'no';
      this.#hasEmpty = true;
      return at + 1;
    }
    if (byte === COMMA || byte === BRACKET_END || byte === BRACE_END) throw s3Fault('JSONParsingError');
    if (this.#inArray === 'no' && this.#opensArrays && byte === BRACKET) {
      this.#inArray = 'first';
      return at + 1;
    }
    this.#start = at;
    return at;
  }

  /** Where the value ends, or undefined when it goes on. */
  #inside(bytes: Buffer, from: number): number | undefined {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) {
          this.#inString = false;
          if (this.#depth === 0) return at + 1;
        }
      } else if (byte === QUOTE) {
        if (this.#depth === 0 && at > this.#start) return at;
        this.#inString = true;
      } else if (byte === BRACE || byte === BRACKET) {
        if (this.#depth === 0 && at > this.#start) return at;
        this.#depth++;
      } else if (byte === BRACE_END || byte === BRACKET_END) {
        // Behind a number or a word.
        if (this.#depth === 0) return at;
        if (--this.#depth === 0) return at + 1;
      } else if (this.#depth === 0 && (isSpace(byte) || byte === COMMA)) return at;
    }
    return undefined;
  }
}
