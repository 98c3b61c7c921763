/** What S3 Select reads: the document, expressions with rows to judge, and data in both formats, whole and in pieces. */
import assert from 'node:assert';
import { isFault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { parseXml, xmlFaults } from '../../fabric/xml.ts';
import { CODES } from '../../proxy/s3/errors.ts';
import { CsvInput } from '../../proxy/s3/select/csv-input.ts';
import type { Input } from '../../proxy/s3/select/input.ts';
import { JsonDocument, JsonLines } from '../../proxy/s3/select/json-input.ts';
import type { JsonRow } from '../../proxy/s3/select/json-paths.ts';
import { createWriter } from '../../proxy/s3/select/output.ts';
import { createPlan } from '../../proxy/s3/select/plan.ts';
import { type CsvFormat, readRequest } from '../../proxy/s3/select/request.ts';
import { parseQuery } from '../../proxy/s3/select/sql-parser.ts';
import type { FuzzParser, FuzzTarget } from './contract.ts';

const S3_CODES: ReadonlySet<string> = new Set([...Object.keys(CODES), xmlFaults.malformed]);
const CSV: CsvFormat = {
  ...{ kind: 'csv', header: 'NONE', fieldDelimiter: ',', recordDelimiter: undefined, quote: '"', escapedBy: '"' },
  ...{ comment: '#', allowsQuotedRecordDelimiter: true },
};
const ROWS = Buffer.from('{"a":1,"b":"x","c":[1,{"d":null}],"t":"2020-01-02T"}\n{"a":-2.5e3,"B":true}\n7\n[[]]\n');
const EXPRESSIONS = [
  "SELECT s.a, s.\"b c\" AS n FROM S3Object s WHERE s.a > 5 AND NOT s.b LIKE '%x_' ESCAPE '!' LIMIT 3",
  "SELECT COUNT(*), SUM(CAST(a AS DECIMAL)) / 2, MAX(a), AVG(a) x FROM S3Object WHERE a IN (1, -2.5, '3')",
  'SELECT d FROM S3Object[*].c[*].d WHERE d IS NOT MISSING OR d IS NULL',
  "SELECT TRIM(BOTH 'x' FROM s.b), SUBSTRING(s.b FROM 1 FOR 2), CHAR_LENGTH(b) FROM S3Object s",
  "SELECT EXTRACT(YEAR FROM CAST(t AS TIMESTAMP)), DATE_ADD(month, 1, TO_TIMESTAMP(t)), TO_STRING(`2010T`, 'MMM y') FROM S3Object",
  "SELECT CASE s.a WHEN 1 THEN 'y' ELSE COALESCE(s.b, NULLIF(s.a, 2)) END, s.a BETWEEN 1 AND 2 FROM S3Object s",
  'SELECT -s.a % 3 + 2 * (1 - s.c[0]) || LOWER(s.b), DATE_DIFF(day, UTCNOW(), `2010-01-01T`) FROM S3Object s -- end',
];
const WORDS = [
  ...[
    'SELECT ',
    ' FROM S3Object ',
    ' WHERE ',
    ' AND ',
    ' OR ',
    ' NOT ',
    ' IS ',
    ' NULL',
    ' MISSING',
    ' LIKE ',
    ' IN (',
  ],
  ...[' BETWEEN ', 'CAST(', ' AS ', 'INT)', 'TIMESTAMP)', 'CASE ', ' WHEN ', ' THEN ', ' END', ' LIMIT 1', '[*]', '.*'],
  ...['SUM(', 'COUNT(*)', 'SUBSTRING(', 'TRIM(LEADING ', 'EXTRACT(hour FROM ', 's.a', '"', "'", '`', '--', '/*', '1e9'],
];

const simple = (name: string, target: Omit<FuzzTarget, 'name' | 'codes'>): FuzzParser => ({
  name,
  open: () => ({ name, codes: S3_CODES, ...target }),
});

const request = simple('select-request', {
  seeds: [
    '<SelectObjectContentRequest><Expression>SELECT 1 FROM S3Object</Expression><ExpressionType>SQL</ExpressionType><InputSerialization><CompressionType>GZIP</CompressionType><CSV><FileHeaderInfo>USE</FileHeaderInfo><Comments>#</Comments><QuoteEscapeCharacter>\\</QuoteEscapeCharacter><RecordDelimiter>&#10;</RecordDelimiter><FieldDelimiter>,</FieldDelimiter><QuoteCharacter>"</QuoteCharacter><AllowQuotedRecordDelimiter>TRUE</AllowQuotedRecordDelimiter></CSV></InputSerialization><OutputSerialization><CSV><QuoteFields>ALWAYS</QuoteFields></CSV></OutputSerialization><RequestProgress><Enabled>true</Enabled></RequestProgress></SelectObjectContentRequest>',
    '<SelectObjectContentRequest><Expression>x</Expression><ExpressionType>SQL</ExpressionType><InputSerialization><JSON><Type>LINES</Type></JSON></InputSerialization><OutputSerialization><JSON><RecordDelimiter>,</RecordDelimiter></JSON></OutputSerialization><ScanRange><Start>1</Start><End>9</End></ScanRange></SelectObjectContentRequest>',
  ],
  words: ['<CSV>', '</CSV>', '<JSON/>', '<Parquet/>', '<Start>', '</Start>', 'USE', 'DOCUMENT', '<Type>', '&#13;'],
  run(input) {
    const { input: format, output } = readRequest(parseXml(input, 100));
    assert.ok(format.kind === 'json' || format.fieldDelimiter !== format.quote);
    assert.ok(output.recordDelimiter.length > 0);
  },
});

const sql = simple('select-sql', {
  seeds: EXPRESSIONS,
  words: WORDS,
  run(input) {
    const query = parseQuery(input.toString('utf8'));
    const writer = createWriter({ kind: 'json', recordDelimiter: '\n' });
    const rows = new JsonDocument(query);
    const plan = createPlan(query, { input: rows, writer, world: { nowMs: 1.5e12 } });
    for (const row of [...rows.push(ROWS), ...rows.end()]) if (!plan.isDone) plan.add(row);
    plan.finish();
    const lines = writer.take().toString().split('\n').slice(0, -1);
    for (const line of lines) JSON.parse(line);
    assert.ok(lines.length <= (query.limit ?? Number.POSITIVE_INFINITY));
    return lines.length === 0 ? 'no rows' : 'rows';
  },
});

/** Rows as text, or what is wrong with the data. */
function read<Row>(input: Input<Row>, pieces: readonly Buffer[]): string {
  const rows: Row[] = [];
  try {
    for (const piece of pieces) rows.push(...input.push(piece));
    rows.push(...input.end());
  } catch (error) {
    if (!isFault(error)) throw error;
    return error.code;
  }
  return JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}

function cut(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  // A record that stays open is looked at again with each of them.
  const lengthMax = Math.max(20, bytes.length / 8);
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(Math.floor(lengthMax));
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

const WHOLE = parseQuery('SELECT * FROM S3Object');
const ITEMS = parseQuery('SELECT * FROM S3Object[*][*]');

const csv = simple('select-csv', {
  seeds: ['a,b\n1,"x""y"\r\n#c\n\n"p\nq",é\n', '\ufeff"a","b"\n"', 'a|b\\"c\n"d\\"e",f'],
  words: ['"', '""', ',', '\n', '\r\n', '#', '\\"', '😀', '","'],
  run(input, random) {
    for (const format of [
      CSV,
      { ...CSV, escapedBy: '\\' },
      { ...CSV, recordDelimiter: '|', allowsQuotedRecordDelimiter: false },
    ]) {
      const whole = read(new CsvInput(format, { alias: 's' }), [input]);
      const pieced = read(new CsvInput(format, { alias: 's' }), cut(input, random));
      // What is wrong may be met in another order: the encoding is looked at a piece at a time.
      if (whole.startsWith('[') || pieced.startsWith('[')) assert.equal(pieced, whole, 'in pieces');
    }
  },
});

const JSON_INPUTS: readonly (() => Input<JsonRow>)[] = [
  () => new JsonLines(WHOLE),
  () => new JsonDocument(WHOLE),
  () => new JsonDocument(ITEMS),
];

const json = simple('select-json', {
  seeds: [ROWS, ' [ {"a":"]}\\""} , [1] ,2.50, "x" ] [] 7', '{"n":12345678901234567890}\n{"n":1e-7}', '\ufeff"x"\n'],
  words: ['[', ']', '{"a":', '}', ',', '"', '\\', '\\u0001', '1e5', '123456789012345678', 'null', '\n'],
  run(input, random) {
    for (const make of JSON_INPUTS) {
      const whole = read(make(), [input]);
      const pieced = read(make(), cut(input, random));
      if (whole.startsWith('[') || pieced.startsWith('[')) assert.equal(pieced, whole, 'in pieces');
    }
  },
});

export const SELECT_PARSERS: readonly FuzzParser[] = [request, sql, csv, json];
