import t from 'tap';
import { contentRange, multipartRanges, parseRange, RANGE_COUNT_MAX, type RangeOutcome } from './http-range.ts';
import { bufferBody } from './object/slo.ts';

const one = (offset: number, length: number): RangeOutcome => [{ offset, length }];

t.test('what a range means for ten bytes', async (t) => {
  const cases: [string, RangeOutcome][] = [
    ['bytes=0-0', one(0, 1)],
    ['bytes=0-9', one(0, 10)],
    ['BYTES=2-', one(2, 8)],
    ['bytes=-3', one(7, 3)],
    ['bytes=-30', one(0, 10)],
    ['bytes=9-99999999999999999999', one(9, 1)],
    [
      'bytes= 1-2 , ,4-5',
      [
        { offset: 1, length: 2 },
        { offset: 4, length: 2 },
      ],
    ],
    ['bytes=0-1,20-30', one(0, 2)],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=20-30,40-', 'unsatisfiable'],
    ['bytes=', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=5', 'whole'],
    ['bytes=5-4', 'whole'],
    ['bytes=a-b', 'whole'],
    ['bytes=+1-2', 'whole'],
    ['bytes=1-2-3', 'whole'],
    ['items=0-1', 'whole'],
    ['0-1', 'whole'],
    [`bytes=0-1${' '.repeat(5000)}`, 'whole'],
  ];
  for (const [header, outcome] of cases) t.same(parseRange(header, 10), outcome, header.slice(0, 40));
});

t.test('an empty representation has no range to show', async (t) => {
  t.equal(parseRange('bytes=-5', 0), 'whole');
  t.equal(parseRange('bytes=0-', 0), 'unsatisfiable');
});

t.test('headers made to be expensive are refused', async (t) => {
  const list = (count: number): string => Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`).join(',');
  t.equal(parseRange(`bytes=${list(RANGE_COUNT_MAX)}`, 1000).length, RANGE_COUNT_MAX);
  t.equal(parseRange(`bytes=${list(RANGE_COUNT_MAX + 1)}`, 1000), 'unsatisfiable');
  t.equal(parseRange('bytes=0-,0-,0-', 10), 'unsatisfiable', 'three overlap');
  t.equal(parseRange('bytes=0-5,5-9', 10).length, 2, 'two may');
  const backwards = Array.from({ length: 10 }, (_, i) => `${100 - i}-${100 - i}`).join(',');
  t.equal(parseRange(`bytes=${backwards}`, 1000), 'unsatisfiable');
});

t.test('several ranges are one body of the announced length', async (t) => {
  const bytes = Buffer.from('0123456789');
  const ranges = [
    { offset: 0, length: 2 },
    { offset: 7, length: 3 },
  ];
  let cancelled = 0;
  const open = (offset: number, length: number) => ({
    ...bufferBody(bytes.subarray(offset, offset + length)),
    cancel: () => void cancelled++,
  });
  const options = { ranges, sizeBytes: 10, contentType: 'a/b', boundary: 'xyz', open };
  const body = multipartRanges(options);
  const pieces: Uint8Array[] = [];
  for (let piece = await body.next(); piece; piece = await body.next()) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  const part = (shown: string, content: string): string =>
    `--xyz\r\nContent-Type: a/b\r\nContent-Range: bytes ${shown}/10\r\n\r\n${content}\r\n`;
  t.equal(text, `${part('0-1', '01')}${part('7-9', '789')}--xyz--`);
  t.equal(body.lengthBytes, text.length);
  const abandoned = multipartRanges(options);
  await abandoned.next();
  abandoned.cancel();
  t.equal(cancelled, 1, 'the open part is cancelled');
  t.equal(await abandoned.next(), undefined);
});

t.test('Content-Range', async (t) => {
  t.equal(contentRange({ offset: 3, length: 4 }, 100), 'bytes 3-6/100');
});
