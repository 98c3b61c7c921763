// CSV and JSON in pieces of any size: what is read does not depend on where they were cut. SEED=… repeats a run.
import process from 'node:process';
import t from 'tap';
import { createSeededRandom, systemRandom } from '../../../fabric/random.ts';
import { CsvInput } from './csv-input.ts';
import type { Input } from './input.ts';
import { JsonDocument, JsonLines } from './json-input.ts';
import type { CsvFormat } from './request.ts';
import { parseQuery } from './sql-parser.ts';

const seed = Number(process.env['SEED'] ?? systemRandom.below(2 ** 31));
const random = createSeededRandom(seed);
const ROUNDS = 300;
const FORMAT: CsvFormat = {
  ...{ kind: 'csv', header: 'NONE', fieldDelimiter: ',', recordDelimiter: undefined, quote: '"', escapedBy: '"' },
  ...{ comment: '#', allowsQuotedRecordDelimiter: true },
};
t.comment(`SEED=${seed}`);

function read<Row>(input: Input<Row>, bytes: Buffer, pieceMax: number): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(pieceMax);
    rows.push(...input.push(bytes.subarray(at, at + length)));
    at += length;
  }
  rows.push(...input.end());
  return rows;
}

const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
const many = <T>(max: number, make: () => T): T[] => Array.from({ length: 1 + random.below(max) }, make);

t.test('CSV that was written is read', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const escapedBy = pick(['"', '\\']);
    const recordDelimiter = pick([undefined, '\n', '|', '$^', '😀']);
    const fieldDelimiter = pick([',', ';', 'é']);
    const format = { ...FORMAT, escapedBy, recordDelimiter, fieldDelimiter };
    const words = ['a', '', '"', '\\', fieldDelimiter, recordDelimiter ?? '\n', '\r\n', 'é', '😀', '#', ' '];
    // An empty line is no row.
    const rows = many(8, () => ['x', ...many(4, () => many(5, () => pick(words)).join(''))]);
    const end = recordDelimiter ?? pick(['\n', '\r\n']);
    const quote = (text: string): string => {
      const safe = escapedBy === '"' ? text : text.replaceAll('\\', '\\\\');
      return `"${safe.replaceAll('"', `${escapedBy}"`)}"`;
    };
    const isPlain = (text: string): boolean =>
      /^[a 😀é]*$/u.test(text) && !text.includes(fieldDelimiter) && !text.includes(end);
    const lines = rows.map((row) => row.map((text) => (isPlain(text) ? text : quote(text))).join(fieldDelimiter));
    const text = lines.join(end) + pick(['', end]);
    t.same(
      read(new CsvInput(format, { alias: 's' }), Buffer.from(text), pick([1, 7, 1000])),
      rows,
      JSON.stringify(text),
    );
  }
});

t.test('windows side by side give every record once', async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    const lines = many(12, () => many(6, () => pick(['a', 'é', '😀', '1'])).join(''));
    const bytes = Buffer.from(`${lines.join('\n')}${pick(['', '\n'])}`);
    const step = 1 + random.below(bytes.length);
    const found: string[] = [];
    for (let start = 0; start < bytes.length; start += step) {
      const startOffset = Math.max(start - 1, 0);
      const window = { startOffset, skipsFirst: start > 0, lastOffset: start + step - 1 };
      const format = { ...FORMAT, allowsQuotedRecordDelimiter: false };
      const input = new CsvInput(format, { alias: 's', window });
      found.push(...read(input, bytes.subarray(startOffset), pick([1, 5, 100])).map((row) => row.join()));
    }
    t.same(found, lines, `${JSON.stringify(bytes.toString())} by ${step}`);
  }
});

t.test('JSON in pieces', async (t) => {
  const value = (depth: number): unknown => {
    const leaf = pick([1, -2.5, true, null, 'a"\\]}', '😀', '', 'é,']);
    if (depth === 0) return leaf;
    return pick([leaf, many(3, () => value(depth - 1)), { k: value(depth - 1), '}': value(depth - 1) }]);
  };
  const plain = (rows: readonly unknown[]): unknown => JSON.parse(JSON.stringify(rows));
  const whole = parseQuery('SELECT * FROM S3Object');
  const items = parseQuery('SELECT * FROM S3Object[*][*]');
  for (let round = 0; round < ROUNDS; round++) {
    const values = many(5, () => value(3));
    const blank = (): string => pick([' ', '\n', '\r\n ', '\t']);
    const lines = Buffer.from(values.map((each) => JSON.stringify(each)).join('\n'));
    t.same(plain(read(new JsonLines(whole), lines, pick([1, 9, 500]))), values, lines.toString());
    const loose = Buffer.from(blank() + values.map((each) => JSON.stringify(each, null, 1)).join(blank()) + blank());
    t.same(plain(read(new JsonDocument(whole), loose, pick([1, 9, 500]))), values, loose.toString());
    const list = Buffer.from(
      `${blank()}[${blank()}${values.map((each) => JSON.stringify(each)).join(` ,${blank()}`)} ]`,
    );
    t.same(plain(read(new JsonDocument(items), list, pick([1, 9, 500]))), values, list.toString());
  }
});
