import t from 'tap';
import { isInIpRange } from './ip-range.ts';

t.test('addresses and networks of both families', async (t) => {
  for (const [address, range, expected] of [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.0/8', true],
    ['128.0.0.1', '127.0.0.0/8', false],
    ['::ffff:10.1.2.3', '10.1.0.0/16', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['10.1.2.3', '0.0.0.0/0', true],
    ['2001:db8::1', '2001:db8::/32', true],
    ['2001:db9::1', '2001:db8::/32', false],
    ['2001:db8::1', '10.0.0.0/8', false],
    ['::1', '0:0:0:0:0:0:0:1', true],
  ] as const) {
    t.equal(isInIpRange(address, range), expected, `${address} in ${range}`);
  }
});

t.test('what is no range holds nothing', async (t) => {
  for (const range of [
    '',
    '127.0.0.1/8',
    '127.1',
    '127.0.0.0/33',
    '127.0.0.0/-1',
    '127.0.0.0/8/8',
    'x',
    '/',
    '2130706433',
  ]) {
    t.equal(isInIpRange('127.0.0.1', range), false, range);
  }
  for (const address of ['', 'localhost', '127.0.0.1:80']) t.equal(isInIpRange(address, '0.0.0.0/0'), false, address);
});
