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

const BOM = '\ufeff';
const WHOLE: readonly string[] = ['_1'];

abstract class JsonInput implements Input<JsonRow> {
  readonly #alias: string;
  protected readonly from: readonly Step[];
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
    if (isObject(row)) return { names: Object.keys(row), values: Object.values(row) };
    return { names: WHOLE, values: [row] };
  }

  protected read(bytes: Buffer): string {
    if (!isUtf8(bytes)) throw s3Fault('InvalidTextEncoding');
    return bytes.toString('utf8');
  }

  protected parse(text: string): JsonRow {
    if (text.length > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
    return parseJson(text);
  }
}

export class JsonLines extends JsonInput {
  readonly #bytes: RecordBytes;
  readonly #window: Window | undefined;
  #isFirst = true;
  isOver = false;

  constructor(query: { readonly from: readonly Step[]; readonly alias: string }, window?: Window) {
    super(query);
    this.#bytes = new RecordBytes('\n', window);
    this.#window = window;
  }

  *push(piece: Buffer): Iterable<JsonRow> {
    yield* this.#lines(this.#withoutMark(this.read(this.#bytes.whole(piece))));
  }

  *end(): Iterable<JsonRow> {
    yield* this.#lines(this.#withoutMark(this.read(this.#bytes.rest())));
  }

  /** As it may stand at the file's beginning. */
  #withoutMark(text: string): string {
    if (!this.#isFirst || text === '') return text;
    this.#isFirst = false;
    return text.startsWith(BOM) ? text.slice(BOM.length) : text;
  }

  *#lines(text: string): Generator<JsonRow> {
    for (let at = 0; at < text.length; ) {
      const found = text.indexOf('\n', at);
      const next = found < 0 ? text.length : found + 1;
      const line = text.slice(at, next);
      at = next;
      if (this.#window) {
        this.isOver = this.#bytes.pass(Buffer.byteLength(line)) > this.#window.lastOffset;
        if (this.isOver) return;
      }
      if (isBlank(line)) continue;
      if (this.from.length === 0) yield this.parse(line);
      else yield* expand(this.parse(line), this.from);
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
    yield* this.#rows(this.#splitter.push(piece));
  }

  *end(): Iterable<JsonRow> {
    yield* this.#rows(this.#splitter.end());
  }

  *#rows(texts: Iterable<Buffer | undefined>): Generator<JsonRow> {
    for (const text of texts) {
      if (text === undefined) yield undefined;
      else yield* expand(this.parse(this.read(text)), this.#rest);
    }
  }
}

const isBlank = (line: string): boolean => line.charCodeAt(0) <= 0x20 && line.trim() === '';
