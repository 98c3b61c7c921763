/**
 * CSV as rows of strings. Records without quotes, which most are, are split by the runtime's own search; a parser that goes
 * from character to character is ten times as slow.
 */
import { isUtf8 } from 'node:buffer';
import { s3Fault } from '../errors.ts';
import { CsvColumns } from './csv-columns.ts';
import { type Input, RecordBytes, type Window } from './input.ts';
import { RECORD_BYTES_MAX } from './limits.ts';
import type { CsvFormat } from './request.ts';

export type CsvRow = readonly string[];

const NEWLINE = '\n';
const BOM = '\ufeff';

interface Cut {
  readonly row: CsvRow;
  /** Of the text, where the next record begins. */
  readonly next: number;
}

interface Field {
  readonly text: string;
  /** Behind it, and behind its quotes. */
  readonly end: number;
}

interface Limits {
  /** Nothing comes after the text. */
  readonly isEnd: boolean;
  /** The first delimiter of records, quoted or not. */
  readonly recordEnd: number;
}

export class CsvInput implements Input<CsvRow> {
  readonly #format: CsvFormat;
  readonly #columns: CsvColumns;
  readonly #delimiter: string;
  readonly #bytes: RecordBytes;
  readonly #window: Window | undefined;
  #isFirst = true;
  #needsHeader: boolean;
  #nextQuote = -1;
  isOver = false;

  /** `alias`: what stands for the row in a path. `header`: read elsewhere. */
  constructor(format: CsvFormat, options: { alias: string; window?: Window | undefined; header?: CsvRow | undefined }) {
    const { alias, window, header } = options;
    this.#format = format;
    this.#delimiter = format.recordDelimiter ?? NEWLINE;
    this.#bytes = new RecordBytes(this.#delimiter, window);
    this.#window = window;
    this.#columns = new CsvColumns(alias, format.header === 'USE');
    this.#needsHeader = format.header !== 'NONE' && !window?.skipsFirst;
    if (header) this.#columns.setHeader(header);
  }

  get bind(): CsvColumns['bind'] {
    return this.#columns.bind;
  }

  all(row: CsvRow): { names: readonly string[]; values: CsvRow } {
    return { names: this.#columns.names(row.length), values: row };
  }

  *push(piece: Buffer): Iterable<CsvRow> {
    const text = this.#read(this.#bytes.whole(piece));
    const taken = yield* this.#rows(text, false);
    // A record whose quotes are still open waits with what came after its last delimiter.
    if (taken < text.length) this.#bytes.giveBack(text.slice(taken));
  }

  *end(): Iterable<CsvRow> {
    const text = this.#read(this.#bytes.rest());
    if (text !== '') yield* this.#rows(text, true);
  }

  #read(bytes: Buffer): string {
    if (!isUtf8(bytes)) throw s3Fault('InvalidTextEncoding');
    const text = bytes.toString('utf8');
    if (!this.#isFirst || bytes.length === 0) return text;
    this.#isFirst = false;
    return !this.#window?.skipsFirst && text.startsWith(BOM) ? text.slice(BOM.length) : text;
  }

  /** Returns where the first record that is not whole begins. */
  *#rows(text: string, isEnd: boolean): Generator<CsvRow, number> {
    this.#nextQuote = -1;
    for (let at = 0; at < text.length && !this.isOver; ) {
      const cut = this.#cut(text, at, isEnd);
      if (cut === undefined) return at;
      const isInside = this.#moveOver(text, at, cut.next);
      at = cut.next;
      if (!isInside || cut.row.length === 0) continue;
      if (!this.#needsHeader) yield cut.row;
      else {
        this.#needsHeader = false;
        this.#columns.setHeader(cut.row);
      }
    }
    return text.length;
  }

  /** Whether the record that begins at `from` is one of those to be read. */
  #moveOver(text: string, from: number, to: number): boolean {
    if (!this.#window) return true;
    this.isOver = this.#bytes.pass(Buffer.byteLength(text.slice(from, to))) > this.#window.lastOffset;
    return !this.isOver;
  }

  /** One record from `at`; no fields for a comment or an empty line; undefined when it does not end here. */
  #cut(text: string, at: number, isEnd: boolean): Cut | undefined {
    const { quote, comment, fieldDelimiter } = this.#format;
    const found = text.indexOf(this.#delimiter, at);
    if (found < 0 && !isEnd) return undefined;
    const end = found < 0 ? text.length : found;
    const next = found < 0 ? text.length : found + this.#delimiter.length;
    if (end - at > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
    const lineEnd = this.#withoutReturn(text, at, end);
    if (lineEnd === at || text.startsWith(comment, at)) return { row: [], next };
    if (this.#nextQuote < at && this.#nextQuote !== text.length) {
      const quoteAt = text.indexOf(quote, at);
      this.#nextQuote = quoteAt < 0 ? text.length : quoteAt;
    }
    if (this.#nextQuote >= end) return { row: text.slice(at, lineEnd).split(fieldDelimiter), next };
    return this.#cutQuoted(text, at, { isEnd, recordEnd: end });
  }

  /** Where no delimiter of records is given, a carriage return before a newline belongs to it. */
  #withoutReturn(text: string, at: number, end: number): number {
    if (this.#format.recordDelimiter !== undefined || end === at) return end;
    return text[end - 1] === '\r' ? end - 1 : end;
  }

  #cutQuoted(text: string, start: number, limits: Limits): Cut | undefined {
    const { quote, fieldDelimiter } = this.#format;
    const row: string[] = [];
    for (let at = start; ; ) {
      const isQuoted = text.startsWith(quote, at);
      const field = isQuoted ? this.#quotedField(text, at, limits) : this.#plainField(text, at, limits);
      if (field === undefined) return undefined;
      row.push(field.text);
      if (field.end - start > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
      if (text.startsWith(fieldDelimiter, field.end) && field.end < text.length) at = field.end + fieldDelimiter.length;
      else return { row, next: this.#afterRecord(text, field.end) };
    }
  }

  #afterRecord(text: string, at: number): number {
    const isReturn = this.#format.recordDelimiter === undefined && text[at] === '\r';
    return Math.min(at + (isReturn ? 1 : 0) + this.#delimiter.length, text.length);
  }

  /** A quote within is one like any other character. */
  #plainField(text: string, at: number, { isEnd }: Limits): Field | undefined {
    const { fieldDelimiter } = this.#format;
    const record = text.indexOf(this.#delimiter, at);
    if (record < 0 && !isEnd) return undefined;
    const recordEnd = record < 0 ? text.length : record;
    const field = text.indexOf(fieldDelimiter, at);
    const end = field >= 0 && field < recordEnd ? field : this.#withoutReturn(text, at, recordEnd);
    return { text: text.slice(at, end), end };
  }

  #quotedField(text: string, start: number, limits: Limits): Field | undefined {
    const { quote, escapedBy } = this.#format;
    let value = '';
    for (let from = start + quote.length; ; ) {
      const at = this.#nextMark(text, from);
      if (at < 0 || (at > limits.recordEnd && !this.#format.allowsQuotedRecordDelimiter))
        return this.#open(text, limits);
      const isEscape = text.startsWith(escapedBy, at);
      const after = at + (isEscape ? escapedBy : quote).length;
      const kept = isEscape ? this.#escaped(text, after) : '';
      if (kept !== '') value += text.slice(from, at) + kept;
      else if (text.startsWith(quote, at)) return this.#closed(text, value + text.slice(from, at), after);
      else value += text.slice(from, after);
      from = after + kept.length;
    }
  }

  /** Where a quote or an escape is. */
  #nextMark(text: string, from: number): number {
    const { quote, escapedBy } = this.#format;
    if (quote === escapedBy) return text.indexOf(quote, from);
    let at = from;
    while (at < text.length && !text.startsWith(quote, at) && !text.startsWith(escapedBy, at)) at++;
    return at < text.length ? at : -1;
  }

  /** What an escape at hand stands before: a quote, or another escape; '' for none of them. */
  #escaped(text: string, at: number): string {
    const { quote, escapedBy } = this.#format;
    if (text.startsWith(quote, at)) return quote;
    return text.startsWith(escapedBy, at) ? escapedBy : '';
  }

  #open(text: string, { isEnd, recordEnd }: Limits): undefined {
    if (this.#format.allowsQuotedRecordDelimiter && !isEnd) return undefined;
    const isDelimited = recordEnd < text.length && !this.#format.allowsQuotedRecordDelimiter;
    throw s3Fault(isDelimited ? 'CSVEscapingRecordDelimiter' : 'CSVUnescapedQuote');
  }

  /** Behind the closing quote comes a delimiter, or nothing. */
  #closed(text: string, value: string, at: number): Field {
    const isReturn = this.#format.recordDelimiter === undefined && text.startsWith('\r\n', at);
    const isEnd = at === text.length || (text[at] === '\r' && at + 1 === text.length && this.#isDefault());
    const isDelimited = text.startsWith(this.#format.fieldDelimiter, at) || text.startsWith(this.#delimiter, at);
    if (!isReturn && !isEnd && !isDelimited) throw s3Fault('CSVUnescapedQuote');
    return { text: value, end: at };
  }

  #isDefault(): boolean {
    return this.#format.recordDelimiter === undefined;
  }
}
