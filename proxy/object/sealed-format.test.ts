/** What an encrypted body promises: only what was sealed, where it was sealed, opens. And what a wrapped key promises. */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import t from 'tap';
import { createSeededRandom, systemRandom } from '../../fabric/random.ts';
import { LocalKeyManager } from './key-manager.ts';
import {
  INLINE_DIRECT,
  inlineKey,
  openSegment,
  PLAIN_SEGMENT_BYTES,
  plainBytes,
  SEALED_SEGMENT_BYTES,
  sealedBytes,
  sealSegment,
  segmentCount,
  streamKey,
} from './sealed-format.ts';
import { deriveWrapping, wrapKey } from './wrapped-key-format.ts';

/** Of version 1, as written by its code: 32 bytes of 4 under 32 bytes of 3, salt of sixes, for 'here'. */
const WRAPPED_1 =
  '01000000070606060606060606060606060606060606060606060606060606060606060606b586935b409ff5c12f62bce729328fb1c69f7b90dc237ab16a35cb3b1ba2ecb44dc76719dbd64dbbff1ec7a0ad8609cf';
const WRAPPED_2 =
  '02000000090202020202020202020202020202020200000102d5b7efc32be51f5a631fa9de59897469949e544e2236b90c34c86123c3e42e65ba96fef6b2760320756bdf4212f14f80';

const key = streamKey(Buffer.alloc(32, 1), Buffer.alloc(16, 2));

t.test('sizes go there and back', async (t) => {
  const around = [0, 1, PLAIN_SEGMENT_BYTES, 2 * PLAIN_SEGMENT_BYTES, 80_000 * PLAIN_SEGMENT_BYTES];
  for (const size of around.flatMap((each) => [each - 1, each, each + 1]).filter((each) => each >= 0)) {
    t.equal(plainBytes(sealedBytes(size)), size, String(size));
  }
  t.equal(sealedBytes(PLAIN_SEGMENT_BYTES), SEALED_SEGMENT_BYTES, 'a full segment is a block of a device');
  t.equal(segmentCount(0), 1, 'nothing has a tag, too');
});

t.test('the format stays what it is', async (t) => {
  const sealed = sealSegment(Buffer.from('text'), { key, index: 3, isLast: true });
  t.equal(key.toString('hex'), 'ba097e840944faa340480cdfdeebb6fca8754e90e23513ab38d2ad269b16e7f9');
  t.equal(sealed.toString('hex'), 'cafc3115521e320dc0efbd5e23f8f52668fa4530');
});

t.test('only what was sealed here opens', async (t) => {
  const plain = randomBytes(1000);
  const place = { key, index: 7, isLast: false };
  const sealed = sealSegment(plain, place);
  t.ok(openSegment(sealed, place).equals(plain));
  t.throws(() => openSegment(sealed, { ...place, index: 8 }), { code: 'DataLost' }, 'moved');
  t.throws(() => openSegment(sealed, { ...place, isLast: true }), { code: 'DataLost' }, 'cut off behind it');
  const other = streamKey(Buffer.alloc(32, 1), Buffer.alloc(16, 3));
  t.throws(() => openSegment(sealed, { ...place, key: other }), { code: 'DataLost' }, 'of another stream');
  t.throws(() => openSegment(sealed.subarray(0, 10), place), { code: 'DataLost' });
  const seed = Number(process.hrtime.bigint() % 1_000_000n);
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  for (let i = 0; i < 200; i++) {
    const bad = Buffer.from(sealed);
    bad[random.below(bad.length)]! ^= 1 << random.below(8);
    t.throws(() => openSegment(bad, place), { code: 'DataLost' });
  }
});

t.test('wrapped keys', async (t) => {
  const first = new Map([[1, randomBytes(32)]]);
  const keys = new Map([['mine', first]]);
  const manager = new LocalKeyManager(keys, systemRandom);
  const { plain, wrapped } = await manager.generate('mine', 'here');
  t.equal(plain.length, 32);
  t.notOk(wrapped.includes(plain));
  t.ok((await manager.unwrap('mine', wrapped, 'here')).equals(plain));
  t.throws(() => manager.unwrap('mine', wrapped, 'there'), { code: 'DataLost' }, 'for something else');
  t.throws(() => manager.unwrap('yours', wrapped, 'here'), { code: 'KMS.NotFoundException' });
  t.throws(() => manager.unwrap('mine', wrapped.subarray(1), 'here'), { code: 'DataLost' });
  first.set(2, randomBytes(32));
  t.ok((await manager.unwrap('mine', wrapped, 'here')).equals(plain), 'rotated');
  const again = await manager.rewrap('mine', wrapped, { from: 'here', to: 'there' });
  t.equal(again.readUInt32BE(1), 2, 'by the newest version');
  first.delete(1);
  t.ok((await manager.unwrap('mine', again, 'there')).equals(plain));
  t.throws(() => manager.unwrap('mine', wrapped, 'here'), { code: 'KMS.NotFoundException' });
  const reloaded = new LocalKeyManager(new Map(), systemRandom, () => keys);
  t.ok((await reloaded.unwrap('mine', again, 'there')).equals(plain), 'a key that was added meanwhile');
});

t.test('a key that was opened before opens for the same purpose only', async (t) => {
  const first = new Map([[1, randomBytes(32)]]);
  const manager = new LocalKeyManager(new Map([['mine', first]]), systemRandom);
  const { plain, wrapped } = manager.generate('mine', 'here');
  for (let i = 0; i < 2; i++) t.ok(manager.unwrap('mine', wrapped, 'here').equals(plain));
  t.throws(() => manager.unwrap('mine', wrapped, 'there'), { code: 'DataLost' }, 'for something else');
  t.ok(manager.unwrap('mine', wrapped, 'here').equals(plain));
  first.set(1, randomBytes(32));
  t.throws(() => manager.unwrap('mine', wrapped, 'here'), { code: 'DataLost' }, 'another master key of that version');
  first.delete(1);
  t.throws(() => manager.unwrap('mine', wrapped, 'here'), { code: 'KMS.NotFoundException' }, 'none');
});

t.test('no two keys are wrapped alike', async (t) => {
  const keys = new Map([['mine', new Map([[1, Buffer.alloc(32, 1)]])]]);
  const seen = new Set<string>();
  for (let life = 0; life < 3; life++) {
    const manager = new LocalKeyManager(keys, systemRandom);
    // Salt and number: the nonce under a wrapping key.
    for (let i = 0; i < 50; i++) seen.add(manager.generate('mine', 'here').wrapped.toString('hex', 5, 25));
  }
  t.equal(seen.size, 150);
});

t.test('what earlier versions wrapped and encrypted still opens', async (t) => {
  const manager = new LocalKeyManager(new Map([['mine', new Map([[7, Buffer.alloc(32, 3)]])]]), systemRandom);
  const dataKey = manager.unwrap('mine', Buffer.from(WRAPPED_1, 'hex'), 'here');
  t.ok(dataKey.equals(Buffer.alloc(32, 4)));
  t.throws(() => manager.unwrap('mine', Buffer.from(WRAPPED_1, 'hex'), 'there'), { code: 'DataLost' });
  const salt = Buffer.alloc(16, 5);
  const body = sealSegment(Buffer.from('text'), { key: streamKey(dataKey, salt), index: 0, isLast: true });
  t.ok(openSegment(body, { key: inlineKey(dataKey, { salt }), index: 0, isLast: true }).equals(Buffer.from('text')));
  t.equal(inlineKey(dataKey, { inline: INLINE_DIRECT }), dataKey);
  t.throws(() => inlineKey(dataKey, { inline: 3 }), { code: 'DataLost' }, 'of a version that is not known yet');
});

t.test('the format of a wrapped key stays what it is', async (t) => {
  const salt = Buffer.alloc(16, 2);
  const key = deriveWrapping(Buffer.alloc(32, 1), salt);
  t.equal(wrapKey({ masterVersion: 9, salt, key }, 258, Buffer.alloc(32, 4), 'here').toString('hex'), WRAPPED_2);
});
