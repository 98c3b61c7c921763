import t from 'tap';
import { formatHttpDate, parseHttpDate } from './http-date.ts';

const MS = Date.UTC(1994, 10, 6, 8, 49, 37);

t.test('dates are written in the preferred form', async (t) => {
  t.equal(formatHttpDate(MS), 'Sun, 06 Nov 1994 08:49:37 GMT');
  t.equal(formatHttpDate(MS + 999), 'Sun, 06 Nov 1994 08:49:37 GMT', 'the part below a second is dropped');
  t.equal(formatHttpDate(MS + 1000), 'Sun, 06 Nov 1994 08:49:38 GMT', 'the next second is not the cached one');
  t.equal(formatHttpDate(0), 'Thu, 01 Jan 1970 00:00:00 GMT');
});

t.test('the three forms that a recipient must accept', async (t) => {
  t.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT'), MS);
  t.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT'), MS);
  t.equal(parseHttpDate('Sun Nov  6 08:49:37 1994'), MS);
  t.equal(parseHttpDate('Sunday, 06-Nov-26 08:49:37 GMT'), Date.UTC(2026, 10, 6, 8, 49, 37));
});

t.test('what is no date does not count', async (t) => {
  const wrong = [
    '',
    'yesterday',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37 CET',
    'Sun, 31 Feb 2021 08:49:37 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT',
    'Sun, 06 Foo 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    'Sun, 06 Nov 1994 08:60:37 GMT',
    ' Sun, 06 Nov 1994 08:49:37 GMT',
  ];
  for (const text of wrong) t.equal(parseHttpDate(text), undefined, text);
});
