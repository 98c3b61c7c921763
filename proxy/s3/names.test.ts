// Names on the way in: hosts, paths, bucket names, copy sources, encoded words.
import t from 'tap';
import { makeRequest } from '../../test/s3-signer.ts';
import { bucketOfHost, isBucketName, readAddress, readCopySource } from './address.ts';
import { readQuery, urlEncode } from './query.ts';
import { decodeWords, encodeWords } from './rfc2047.ts';

const DOMAINS = ['localhost', 's3.localhost', 'example.org'];

t.test('buckets in host names', async (t) => {
  for (const [host, bucket] of [
    ['localhost', ''],
    ['localhost:8080', ''],
    ['s3.localhost:8080', ''],
    ['b.localhost', 'b'],
    ['b.s3.localhost:1', 'b'],
    ['B.C.S3.LOCALHOST', 'b.c'],
    ['b.example.org', 'b'],
    ['bexample.org', ''],
    ['.localhost', ''],
    ['127.0.0.1:80', ''],
    ['[::1]:80', ''],
    ['', ''],
  ] as const) {
    t.equal(bucketOfHost(host, DOMAINS), bucket, host);
  }
});

t.test('paths', async (t) => {
  const read = (path: string, host = 'localhost') =>
    readAddress(makeRequest({ method: 'GET', path, headers: { host } }), DOMAINS);
  t.same(read('/'), { bucket: '', key: '' });
  t.same(read('/b'), { bucket: 'b', key: '' });
  t.same(read('/b/'), { bucket: 'b', key: '' });
  t.same(read('/b//k'), { bucket: 'b', key: '/k' });
  t.same(read('/b/%E6%BC%A2%2f..'), { bucket: 'b', key: '漢/..' });
  t.same(read('/b/\xe6\xbc\xa2'), { bucket: 'b', key: '漢' }, 'bytes not encoded');
  t.same(read('/b/100%'), { bucket: 'b', key: '100%' });
  t.same(read('/b/k', 'x.localhost'), { bucket: 'x', key: 'b/k' });
  for (const path of ['*', '', 'b/k']) t.throws(() => read(path), { code: 'InvalidURI' }, path);
  for (const path of ['/b/%ff', '/b/%00', '/b/%ED%A0%80']) t.throws(() => read(path), { code: 'InvalidURI' }, path);
  t.throws(() => read(`/b/${'%C3%BC'.repeat(513)}`), { code: 'KeyTooLongError' });
  t.equal(read(`/b/${'%C3%BC'.repeat(512)}`).key.length, 512);
});

t.test('bucket names', async (t) => {
  for (const name of ['abc', 'a.b-c', '1bucket', 'a'.repeat(63)]) t.ok(isBucketName(name), name);
  for (const name of [
    'ab',
    'a'.repeat(64),
    'aB',
    'a_b',
    'a..b',
    'a.-b',
    '.ab',
    'ab-',
    '1.2.3.4',
    'xn--a',
    'a-s3alias',
    'ü'.repeat(4),
  ]) {
    t.notOk(isBucketName(name), name);
  }
});

t.test('copy sources', async (t) => {
  t.same(readCopySource('/b/a%2Bb/c'), { bucket: 'b', key: 'a+b/c', versionId: undefined });
  t.same(readCopySource('b/k?versionId=null'), { bucket: 'b', key: 'k', versionId: 'null' });
  t.same(readCopySource('b/k%3FversionId=x'), { bucket: 'b', key: 'k?versionId=x', versionId: undefined });
  t.same(readCopySource('b%2Fk'), { bucket: 'b', key: 'k', versionId: undefined });
  for (const value of ['', '/', 'b', '/b/', 'b?versionId=x'])
    t.throws(() => readCopySource(value), { code: 'InvalidArgument' }, value);
});

t.test('queries', async (t) => {
  t.same(
    [...readQuery('a=1&a=2&b&c=x+%2B%C3%BC&&=')],
    [
      ['a', '1'],
      ['b', ''],
      ['c', 'x +ü'],
      ['', ''],
    ],
  );
  t.throws(() => readQuery('x&'.repeat(300)), { code: 'InvalidURI' });
  t.equal(urlEncode("a b/ü+(1)*'~"), 'a%20b/%C3%BC%2B%281%29%2A%27~');
});

t.test('encoded words', async (t) => {
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
  t.equal(decodeWords('=?UTF-8?B?xbzDs8WCxIc=?='), latin1('żółć'));
  t.equal(decodeWords('=?utf-8?q?na=C3=AFve_x?='), latin1('naïve x'));
  t.equal(decodeWords('=?ISO-8859-1?Q?na=EFve?='), latin1('naïve'));
  for (const value of [
    'plain',
    '=?UTF-8?X?x?=',
    '=?UTF-8?B?!?=',
    '=?',
    '=?UTF-8?B?DQo=?=',
    '=?koi8-r?B?eA==?=',
    'a =?UTF-8?B?eA==?=',
  ]) {
    t.equal(decodeWords(value), value, `${value} stays`);
  }
  t.equal(encodeWords('plain'), 'plain');
  t.equal(encodeWords('\xff'), '\xff', 'no UTF-8');
  for (const text of ['ż', 'żółć '.repeat(50), '😀'.repeat(40)]) {
    const encoded = encodeWords(latin1(text));
    t.match(encoded, /^[\x20-\x7e]+$/);
    t.ok(
      encoded.split(' ').every((word) => word.length <= 75),
      'words as RFC 2047 bounds them',
    );
    t.equal(decodeWords(encoded), latin1(text));
  }
});
