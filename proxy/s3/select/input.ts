/** What a query needs of the object's format: rows out of bytes, and how to look into a row. */
import { s3Fault } from '../errors.ts';
import { RECORD_BYTES_MAX } from './limits.ts';
import type { BindPath } from './sql-compile.ts';
import type { Value } from './value-types.ts';

export interface Input<Row> {
  readonly bind: BindPath<Row>;
  /** Of `*`. */
  all(row: Row): { readonly names: readonly string[]; readonly values: readonly Value[] };
  /** The rows that are whole with these bytes, in order; to be gone through before the next piece is given. */
  push(piece: Buffer): Iterable<Row>;
  /** What is left. */
  end(): Iterable<Row>;
  /** No further row can come, whatever is given. */
  readonly isOver: boolean;
}

/** Which records are meant, where not all are: those that begin in it. */
export interface Window {
  /** Of the first byte that is given. */
  readonly startOffset: number;
  /** What comes before the first delimiter belongs to who reads before it. */
  readonly skipsFirst: boolean;
  readonly lastOffset: number;
}

const NOTHING = Buffer.alloc(0);

/** Bytes as they come, given out in whole records as far as delimiters tell. */
export class RecordBytes {
  readonly #delimiter: Buffer;
  #skips: boolean;
  #offset: number;
  #rest: Buffer = NOTHING;

  constructor(delimiter: string, window: Window | undefined) {
    this.#delimiter = Buffer.from(delimiter);
    this.#skips = window?.skipsFirst ?? false;
    this.#offset = window?.startOffset ?? 0;
  }

  /** All up to the last delimiter. Fault OverMaxRecordSize. */
  whole(piece: Buffer): Buffer {
    let bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    if (this.#skips) bytes = this.#skip(bytes);
    const last = this.#skips ? -1 : bytes.lastIndexOf(this.#delimiter);
    const end = last < 0 ? 0 : last + this.#delimiter.length;
    this.#rest = bytes.subarray(end);
    if (this.#rest.length > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
    return bytes.subarray(0, end);
  }

  /** The end of what `whole` gave, which was no whole record after all. */
  giveBack(text: string): void {
    this.#rest = Buffer.concat([Buffer.from(text), this.#rest]);
    if (this.#rest.length > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
  }

  rest(): Buffer {
    const rest = this.#skips ? NOTHING : this.#rest;
    this.#rest = NOTHING;
    return rest;
  }

  /** Moves over a record of so many bytes; returns the offset it begins at. */
  pass(recordBytes: number): number {
    const start = this.#offset;
    this.#offset += recordBytes;
    return start;
  }

  /** Drops what comes before the first delimiter; keeps what may be the beginning of one. */
  #skip(bytes: Buffer): Buffer {
    const found = bytes.indexOf(this.#delimiter);
    this.#skips = found < 0;
    const dropped = found < 0 ? Math.max(bytes.length - this.#delimiter.length + 1, 0) : found + this.#delimiter.length;
    this.#offset += dropped;
    return bytes.subarray(dropped);
  }
}
