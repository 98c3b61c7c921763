import t from 'tap';
import { decode, decodeHoisted, encode, encodeHoisted, Hoist, VIEW_BYTES_MIN } from './codec.ts';

const value = {
  text: 'żółć 名前',
  numbers: [0, 127, 128, -33, 2 ** 32, 2 ** 53 - 1, 1.25],
  nothing: null,
  nested: [{ a: { b: [true, false] } }],
};

t.test('plain data round trip, and buffers stay as they were encoded', async (t) => {
  const first = encode(value);
  const copy = Buffer.from(first);
  for (let i = 0; i < 1000; i++) encode({ i, other: 'x'.repeat(i) });
  t.same(first, copy, 'later encodes do not touch it');
  t.same(decode(first), value);
  t.same(decode(encode(2n ** 40n)), 2 ** 40, 'int64 as number');
});

t.test('every size class of bytes, in both ways', async (t) => {
  for (const bytes of [0, 1, 255, 256, VIEW_BYTES_MIN - 1, VIEW_BYTES_MIN, 65_535, 65_536, 200_000]) {
    const data = Buffer.alloc(bytes, 'abc');
    const inline = decode(encode({ data, after: 1 })) as { data: Buffer; after: number };
    t.ok(data.equals(inline.data) && inline.after === 1, `${bytes} inline`);
    const hoist = new Hoist();
    const scratch = encodeHoisted({ data, list: [new Uint8Array([1, 2]), data], after: 1 }, hoist);
    const message = Buffer.from(scratch.subarray(scratch.start, scratch.end));
    const raw = Buffer.allocUnsafeSlow(hoist.bytes);
    Buffer.concat(hoist.buffers).copy(raw);
    t.equal(raw.length, hoist.bytes);
    const back = decodeHoisted(message, raw) as { data: Buffer; list: Buffer[]; after: number };
    t.ok(data.equals(back.data) && data.equals(back.list[1] as Buffer) && back.after === 1, `${bytes} hoisted`);
    t.same([...(back.list[0] as Buffer)], [1, 2]);
    t.equal(back.data.buffer === raw.buffer, bytes >= VIEW_BYTES_MIN, 'small ones are copies');
    t.throws(() => decodeHoisted(message, Buffer.concat([raw, Buffer.alloc(1)])), 'bytes left over');
    if (raw.length > 0) t.throws(() => decodeHoisted(message, raw.subarray(1)), 'bytes missing');
  }
  t.same(decode(encode({ data: Buffer.from('x') })), { data: Buffer.from('x') }, 'hoisting leaves no trace');
});

t.test('what is malformed throws', async (t) => {
  const good = encode(value);
  for (let end = 0; end < good.length; end++) t.throws(() => decode(good.subarray(0, end)), `cut at ${end}`);
  t.throws(() => decode(Buffer.concat([good, good])));
  t.throws(() => decode(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])), 'an array of four thousand million');
  t.throws(() => decode(Buffer.alloc(100_000, 0x91)), 'nested without end');
  const polluted = decode(Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x61, 1])) as object;
  t.equal(Object.getPrototypeOf(polluted), Object.prototype);
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  t.throws(() => encode(circular));
  t.throws(() => encodeHoisted(circular, new Hoist()));
  t.same(decode(encode(value)), value, 'and leaves the codec in order');
});
