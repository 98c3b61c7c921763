/**
 * JSON as rows: LINES has one value a line, DOCUMENT has values one after the other, over as many lines as they like. An array
 * that FROM goes through (`S3Object[*][*]`) is read item by item, so that it may be of any size.
 */
import { isUtf8 } from 'node:buffer';
import { s3Fault } from '../errors.ts';
import { type Input, RecordBytes, type Window } from './input.ts';
import { expand, follow, isObject, type JsonRow } from './json-paths.ts';
import { JsonSplitter } from './json-splitter.ts';
import { parseJson } from './json-text.ts';
import { RECORD_BYTES_MAX } from './limits.ts';
import type { BindPath } from './sql-compile.ts';
import type { Step } from './sql-rewrite.ts';
import { fromJson } from './sql-values.ts';
import type { Value } from './value-types.ts';

const NEWLINE = 0x0a;
const BOM = Buffer.from('\ufeff');
const WHOLE: readonly string[] = ['_1'];

abstract class JsonInput implements Input<JsonRow> {
  readonly #alias: string;
  protected readonly from: readonly Step[];
  #isFirst = true;
  abstract readonly isOver: boolean;

  /** `from`: behind `S3Object[*]`; `alias`: what stands for the row in a path. */
  constructor({ from, alias }: { readonly from: readonly Step[]; readonly alias: string }) {
    this.from = from;
    this.#alias = alias.toLowerCase();
  }

  abstract push(piece: Buffer): Iterable<JsonRow>;
  abstract end(): Iterable<JsonRow>;

  readonly bind: BindPath<JsonRow> = (steps) => {
    if (steps.some((step) => 'wildcard' in step)) throw s3Fault('ParseInvalidContextForWildcardInSelectList');
    const [first] = steps;
    const skipped = first && 'name' in first && first.name.toLowerCase() === this.#alias ? 1 : 0;
    return (row) => fromJson(follow(row, steps, skipped));
  };

  all(row: JsonRow): { readonly names: readonly string[]; readonly values: readonly Value[] } {
    if (isObject(row)) return { names: Object.keys(row), values: Object.values(row).map(fromJson) };
    return { names: WHOLE, values: [fromJson(row)] };
  }

  protected parse(bytes: Buffer): JsonRow {
    if (bytes.length > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
    if (!isUtf8(bytes)) throw s3Fault('InvalidTextEncoding');
    return parseJson(bytes.toString('utf8'));
  }

  protected withoutMark(piece: Buffer): Buffer {
    if (!this.#isFirst || piece.length === 0) return piece;
    this.#isFirst = false;
    return piece.subarray(0, BOM.length).equals(BOM) ? piece.subarray(BOM.length) : piece;
  }
}

export class JsonLines extends JsonInput {
  readonly #bytes: RecordBytes;
  readonly #window: Window | undefined;
  isOver = false;

  constructor(query: { readonly from: readonly Step[]; readonly alias: string }, window?: Window) {
    super(query);
    this.#bytes = new RecordBytes('\n', window);
    this.#window = window;
  }

  *push(piece: Buffer): Iterable<JsonRow> {
    yield* this.#lines(this.#bytes.whole(this.withoutMark(piece)));
  }

  *end(): Iterable<JsonRow> {
    yield* this.#lines(this.#bytes.rest());
  }

  *#lines(bytes: Buffer): Generator<JsonRow> {
    for (let at = 0; at < bytes.length; ) {
      const found = bytes.indexOf(NEWLINE, at);
      const next = found < 0 ? bytes.length : found + 1;
      const line = bytes.subarray(at, next);
      at = next;
      this.isOver = this.#window !== undefined && this.#bytes.pass(line.length) > this.#window.lastOffset;
      if (this.isOver) return;
      if (!isBlank(line)) yield* expand(this.parse(line), this.from);
    }
  }
}

export class JsonDocument extends JsonInput {
  readonly #splitter: JsonSplitter;
  readonly #rest: readonly Step[];
  readonly isOver = false;

  constructor(query: { readonly from: readonly Step[]; readonly alias: string }) {
    super(query);
    const [first] = query.from;
    const goesThroughItems = first !== undefined && 'wildcard' in first && first.wildcard === 'items';
    this.#splitter = new JsonSplitter(goesThroughItems);
    this.#rest = goesThroughItems ? query.from.slice(1) : query.from;
  }

  *push(piece: Buffer): Iterable<JsonRow> {
    yield* this.#rows(this.#splitter.push(this.withoutMark(piece)));
  }

  *end(): Iterable<JsonRow> {
    yield* this.#rows(this.#splitter.end());
  }

  *#rows(texts: Iterable<Buffer | undefined>): Generator<JsonRow> {
    for (const text of texts) {
      if (text === undefined) yield undefined;
      else yield* expand(this.parse(text), this.#rest);
    }
  }
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== NEWLINE && byte !== 0x0d && byte !== 0x09) return false;
  return true;
}
