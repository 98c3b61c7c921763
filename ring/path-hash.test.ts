// The path hash against MD5 of the same bytes; against Swift itself in swift.test.ts.
import { createHash } from 'node:crypto';
import t from 'tap';
import { createPathHasher, hashPath } from './path-hash.ts';

const none = { prefix: Buffer.alloc(0), suffix: Buffer.alloc(0) };
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');

t.test('is the MD5 of prefix, path and suffix', async (t) => {
  const secret = { prefix: Buffer.from('před'), suffix: Buffer.from('za') };
  const hash = createPathHasher(secret);
  t.equal(hash('a').toString('hex'), md5(Buffer.from('před/aza')));
  t.equal(hash('a', 'c').toString('hex'), md5(Buffer.from('před/a/cza')));
  t.equal(
    hash('AUTH_test', 'sloupek', '写真/💾.jpg').toString('hex'),
    md5(Buffer.from('před/AUTH_test/sloupek/写真/💾.jpgza')),
  );
  t.equal(hashPath(none, 'a', 'c', 'o').length, 16);
});

t.test('takes a secret that is not UTF-8', async (t) => {
  const secret = { prefix: Buffer.from([0xff, 0x00, 0xc3]), suffix: Buffer.from([0x80]) };
  const expected = md5(Buffer.concat([secret.prefix, Buffer.from('/a/c/ö'), secret.suffix]));
  t.equal(hashPath(secret, 'a', 'c', 'ö').toString('hex'), expected);
});

t.test('leaves out empty names and refuses an object without a container', async (t) => {
  t.same(hashPath(none, 'a', '', ''), hashPath(none, 'a'));
  t.throws(() => hashPath(none, 'a', undefined, 'o'), { name: 'AssertionError' });
});

t.test('returns fresh bytes every time', async (t) => {
  const hash = createPathHasher(none);
  const first = hash('a');
  const copy = Buffer.from(first);
  hash('b');
  t.same(first, copy);
});
