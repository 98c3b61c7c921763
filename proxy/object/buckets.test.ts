import t from 'tap';
import { isBucketName } from './buckets.ts';

t.test('names S3 allows', async (t) => {
  for (const name of ['abc', 'my-bucket', 'a.b.c', '123', 'a'.repeat(63), '1.2.3']) t.ok(isBucketName(name), name);
});

t.test('names it does not', async (t) => {
  const bad = [
    'ab',
    'a'.repeat(64),
    'Photos',
    'a_b',
    '-abc',
    'abc-',
    '.abc',
    'abc.',
    'a..b',
    'a.-b',
    '192.168.5.4',
    'xn--abc',
    'abc-s3alias',
    'a b',
    'ü12',
  ];
  for (const name of bad) t.notOk(isBucketName(name), name);
});
