/** Rows of a result as text, CSV or JSON, collected until they are worth a message. */
import { s3Fault } from '../errors.ts';
import { jsonText } from './json-text.ts';
import { RECORD_BYTES_MAX } from './limits.ts';
import type { OutputFormat } from './request.ts';
import { textOf } from './sql-values.ts';
import type { Value } from './value-types.ts';

export interface RowWriter {
  /** Fault OverMaxRecordSize. */
  write(names: readonly string[], values: readonly Value[]): void;
  /** Characters that wait. */
  readonly length: number;
  take(): Buffer;
}

export function createWriter(format: OutputFormat): RowWriter {
  const render = format.kind === 'json' ? renderJson : csvRenderer(format);
  const { recordDelimiter } = format;
  let texts: string[] = [];
  let length = 0;
  return {
    write(names, values) {
      const text = render(names, values);
      if (text.length > RECORD_BYTES_MAX) throw s3Fault('OverMaxRecordSize');
      texts.push(text, recordDelimiter);
      length += text.length + recordDelimiter.length;
    },
    get length() {
      return length;
    },
    take() {
      const bytes = Buffer.from(texts.join(''));
      texts = [];
      length = 0;
      return bytes;
    },
  };
}

/** What is missing has no member. */
function renderJson(names: readonly string[], values: readonly Value[]): string {
  let text = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(names[i])}:${jsonText(value)}`;
  }
  return `{${text}}`;
}

function csvRenderer(
  format: Extract<OutputFormat, { kind: 'csv' }>,
): (names: readonly string[], values: readonly Value[]) => string {
  const { quotes, quote, escapedBy, fieldDelimiter, recordDelimiter } = format;
  const special = specialOf(quote + fieldDelimiter + recordDelimiter);
  const quoted = (text: string): string => {
    // An escape of its own has to be escaped itself.
    const safe = escapedBy === quote ? text : text.replaceAll(escapedBy, escapedBy + escapedBy);
    return quote + safe.replaceAll(quote, escapedBy + quote) + quote;
  };
  const field = (value: Value): string => {
    const text = value === undefined || value === null ? '' : textOf(value);
    const needs = quotes === 'ALWAYS' || special.test(text);
    return needs ? quoted(text) : text;
  };
  return (_, values) => values.map(field).join(fieldDelimiter);
}

/** What a field must not hold outside of quotes. */
function specialOf(delimiters: string): RegExp {
  const points = [...new Set(`${delimiters}\r\n`)].map(
    (char) => `\\u{${(char.codePointAt(0) as number).toString(16)}}`,
  );
  return new RegExp(`[${points.join('')}]`, 'u');
}
