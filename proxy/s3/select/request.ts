/**
 * The document of a SelectObjectContent request: what it may hold, and the code of what it may not.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_SelectObjectContent.html
 */
import { childText, type XmlElement } from '../../../fabric/xml.ts';
import type { S3Code } from '../errors.ts';
import { s3Fault } from '../errors.ts';
import { checkChildren } from '../xml-body.ts';

export type Compression = 'NONE' | 'GZIP' | 'BZIP2';

export interface CsvFormat {
  readonly kind: 'csv';
  readonly header: 'NONE' | 'USE' | 'IGNORE';
  readonly fieldDelimiter: string;
  /** Undefined: `\n`, or `\r\n`. */
  readonly recordDelimiter: string | undefined;
  readonly quote: string;
  readonly escapedBy: string;
  readonly comment: string;
  readonly allowsQuotedRecordDelimiter: boolean;
}

export interface JsonFormat {
  readonly kind: 'json';
  readonly type: 'LINES' | 'DOCUMENT';
}

export type OutputFormat =
  | {
      readonly kind: 'csv';
      readonly quotes: 'ALWAYS' | 'ASNEEDED';
      readonly fieldDelimiter: string;
      readonly recordDelimiter: string;
      readonly quote: string;
      readonly escapedBy: string;
    }
  | { readonly kind: 'json'; readonly recordDelimiter: string };

/** Bytes of the object; `end` is inclusive. Without a start, `end` counts from the object's end. */
export interface ScanRange {
  readonly start: number | undefined;
  readonly end: number | undefined;
}

export interface SelectRequest {
  readonly expression: string;
  readonly input: CsvFormat | JsonFormat;
  readonly compression: Compression;
  readonly output: OutputFormat;
  readonly progress: boolean;
  readonly range: ScanRange | undefined;
}

const ROOTS: ReadonlySet<string> = new Set(['SelectObjectContentRequest', 'SelectRequest']);
const FORMATS = ['CSV', 'JSON', 'Parquet'] as const;
const RECORD_DELIMITER_LENGTH_MAX = 2;

/** Faults MalformedXML, MissingRequiredParameter and those of each parameter. */
export function readRequest(root: XmlElement): SelectRequest {
  if (!ROOTS.has(root.name)) throw s3Fault('MalformedXML');
  const names = ['Expression', 'ExpressionType', 'InputSerialization', 'OutputSerialization'] as const;
  checkChildren(root, new Set([...names, 'RequestProgress', 'ScanRange']));
  const [expression, type] = [required(root, names[0]).text, required(root, names[1]).text.trim()];
  if (expression.trim() === '') throw missing('Expression');
  if (type.toUpperCase() !== 'SQL') throw s3Fault('InvalidExpressionType');
  const input = required(root, names[2]);
  checkChildren(input, new Set([...FORMATS, 'CompressionType']));
  const output = required(root, names[3]);
  checkChildren(output, new Set(FORMATS));
  const compression = word(input, 'CompressionType', ['NONE', 'GZIP', 'BZIP2'], 'InvalidCompressionFormat') ?? 'NONE';
  const request = {
    ...{ expression, compression, input: readInput(input), output: readOutput(output) },
    progress: readProgress(root),
    range: readRange(root),
  };
  checkRange(request);
  return request;
}

const missing = (name: string): Error => s3Fault('MissingRequiredParameter', `${name} is missing.`);

function required(parent: XmlElement, name: string): XmlElement {
  const found = parent.children.find((child) => child.name === name);
  if (!found) throw missing(name);
  return found;
}

/** In any case, as AWS writes `Use` and `USE`. */
function word<Word extends string>(
  parent: XmlElement,
  name: string,
  words: readonly Word[],
  code: S3Code,
): Word | undefined {
  const text = childText(parent, name)?.trim().toUpperCase();
  if (text === undefined || text === '') return undefined;
  const found = words.find((each) => each === text);
  if (!found) throw s3Fault(code);
  return found;
}

function flag(parent: XmlElement, name: string): boolean {
  const text = childText(parent, name)?.trim().toLowerCase() ?? 'false';
  if (text !== 'true' && text !== 'false') throw invalid(name, 'is true or false');
  return text === 'true';
}

const invalid = (name: string, what: string): Error => s3Fault('InvalidRequestParameter', `${name} ${what}.`);

/** The one format that is named. */
function formatOf(parent: XmlElement): XmlElement {
  const [format, ...others] = parent.children.filter(({ name }) => (FORMATS as readonly string[]).includes(name));
  if (others.length > 0) throw s3Fault('ObjectSerializationConflict');
  if (!format) throw missing(`A format in ${parent.name}`);
  return format;
}

function readInput(parent: XmlElement): CsvFormat | JsonFormat {
  const format = formatOf(parent);
  if (format.name === 'Parquet') {
    throw s3Fault('NotImplemented', 'Parquet is not implemented: CSV and JSON are.', { ResourceType: 'Parquet' });
  }
  if (format.name === 'JSON') {
    checkChildren(format, new Set(['Type']));
    const type = word(format, 'Type', ['LINES', 'DOCUMENT'], 'InvalidJsonType');
    if (!type) throw missing('Type of JSON');
    return { kind: 'json', type };
  }
  checkChildren(format, CSV_INPUT);
  const quote = character(format, 'QuoteCharacter', '"');
  return checkDistinct({
    kind: 'csv',
    header: word(format, 'FileHeaderInfo', ['NONE', 'USE', 'IGNORE'], 'InvalidFileHeaderInfo') ?? 'NONE',
    fieldDelimiter: character(format, 'FieldDelimiter', ','),
    recordDelimiter: recordDelimiter(format, undefined),
    quote,
    escapedBy: character(format, 'QuoteEscapeCharacter', '"'),
    comment: character(format, 'Comments', '#'),
    allowsQuotedRecordDelimiter: flag(format, 'AllowQuotedRecordDelimiter'),
  });
}

const CSV_INPUT: ReadonlySet<string> = new Set([
  ...['FileHeaderInfo', 'Comments', 'QuoteEscapeCharacter', 'RecordDelimiter', 'FieldDelimiter', 'QuoteCharacter'],
  'AllowQuotedRecordDelimiter',
]);
const CSV_OUTPUT: ReadonlySet<string> = new Set([
  ...['QuoteFields', 'QuoteEscapeCharacter', 'RecordDelimiter', 'FieldDelimiter', 'QuoteCharacter'],
]);

function readOutput(parent: XmlElement): OutputFormat {
  const format = formatOf(parent);
  if (format.name === 'Parquet') throw s3Fault('InvalidDataSource', 'Results are CSV or JSON.');
  if (format.name === 'JSON') {
    checkChildren(format, new Set(['RecordDelimiter']));
    return { kind: 'json', recordDelimiter: recordDelimiter(format, '\n') ?? '\n' };
  }
  checkChildren(format, CSV_OUTPUT);
  return {
    kind: 'csv',
    quotes: word(format, 'QuoteFields', ['ALWAYS', 'ASNEEDED'], 'InvalidQuoteFields') ?? 'ASNEEDED',
    fieldDelimiter: character(format, 'FieldDelimiter', ','),
    recordDelimiter: recordDelimiter(format, '\n') ?? '\n',
    quote: character(format, 'QuoteCharacter', '"'),
    escapedBy: character(format, 'QuoteEscapeCharacter', '"'),
  };
}

function character(parent: XmlElement, name: string, absent: string): string {
  const text = childText(parent, name);
  if (text === undefined || text === '') return absent;
  if ([...text].length !== 1) throw invalid(name, 'is a single character');
  return text;
}

function recordDelimiter(parent: XmlElement, absent: string | undefined): string | undefined {
  const text = childText(parent, 'RecordDelimiter');
  if (text === undefined || text === '') return absent;
  if ([...text].length > RECORD_DELIMITER_LENGTH_MAX) throw invalid('RecordDelimiter', 'is one character or two');
  return text;
}

function checkDistinct(format: CsvFormat): CsvFormat {
  const { fieldDelimiter, quote, recordDelimiter: record = '\n' } = format;
  const isMixed = fieldDelimiter === quote || record.includes(fieldDelimiter) || record.includes(quote);
  if (isMixed) throw invalid('FieldDelimiter', 'must differ from RecordDelimiter and QuoteCharacter, and these too');
  return format;
}

function readProgress(root: XmlElement): boolean {
  const element = root.children.find(({ name }) => name === 'RequestProgress');
  if (!element) return false;
  checkChildren(element, new Set(['Enabled']));
  return flag(element, 'Enabled');
}

function readRange(root: XmlElement): ScanRange | undefined {
  const element = root.children.find(({ name }) => name === 'ScanRange');
  if (!element) return undefined;
  checkChildren(element, new Set(['Start', 'End']));
  const [start, end] = ['Start', 'End'].map((name) => {
    const text = childText(element, name)?.trim();
    if (text !== undefined && !/^\d{1,15}$/.test(text)) throw s3Fault('InvalidScanRange');
    return text === undefined ? undefined : Number(text);
  });
  if (start === undefined && end === undefined) throw s3Fault('InvalidScanRange');
  if (start !== undefined && end !== undefined && end < start) throw s3Fault('InvalidScanRange');
  return { start, end };
}

/** Records can be found from the middle of what is split by delimiters alone. */
function checkRange({ range, compression, input }: SelectRequest): void {
  if (!range) return;
  const isSplit = input.kind === 'csv' ? !input.allowsQuotedRecordDelimiter : input.type === 'LINES';
  if (compression !== 'NONE' || !isSplit) throw s3Fault('UnsupportedScanRangeInput');
}
