/** Ratios of two results, and when they are a regression. */
import t from 'tap';
import { changesOf } from './compare.ts';
import type { Result, Row } from './result-format.ts';

const row = (name: string, opsPerSecond: number, cpuUsPerOp: number, errors = 0): Row => ({
  name,
  sizeBytes: 4096,
  connections: 64,
  opsPerSecond,
  p50Ms: 1,
  p99Ms: 2,
  p999Ms: 3,
  errors,
  errorSamples: [],
  cpuUsPerOp,
  clientCpuUsPerOp: 1,
  otherCpuShare: 0,
});

const result = (...rows: Row[]): Result => ({
  version: 1,
  date: '2026-01-01T00:00:00Z',
  machine: 'm',
  command: 'c',
  ceilings: { appendsPerSecond: 1, md5MegabytesPerSecond: 1 },
  rows,
});

t.test('within the threshold nothing is a regression', async (t) => {
  const [change] = changesOf(result(row('PUT', 100, 10)), result(row('PUT', 85, 11.5)), 0.2);
  t.match(change, { rate: 0.85, cpu: 1.15, regressed: false });
});

t.test('a slower row and a dearer one are regressions, each by its name', async (t) => {
  const before = result(row('PUT', 100, 10), row('GET', 100, 10));
  const changes = changesOf(before, result(row('PUT', 79, 10), row('GET', 100, 12.1)), 0.2);
  t.match(changes, [
    { regressed: true, note: 'slower' },
    { regressed: true, note: 'more CPU' },
  ]);
});

t.test('errors are a regression, whatever the rate; an invalid or absent base compares with nothing', async (t) => {
  const before = result(row('PUT', 100, 10), row('GET', 100, 10, 3));
  const changes = changesOf(before, result(row('PUT', 500, 1, 1), row('GET', 1, 99), row('HEAD', 1, 1)), 0.2);
  t.same(
    changes.map(({ regressed }) => regressed),
    [true, false, false],
  );
  t.ok(changes.slice(1).every(({ rate }) => Number.isNaN(rate)));
});
