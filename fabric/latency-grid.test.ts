import t from 'tap';
import { histogramLines, LATENCY_BOUNDS_S, LATENCY_BUCKETS, LatencyGrid, latencyBucket } from './latency-grid.ts';

t.test('a latency falls into the first bucket whose bound it does not pass', async (t) => {
  LATENCY_BOUNDS_S.forEach((bound, bucket) => {
    t.equal(latencyBucket(bound * 1000), bucket, `${bound} s itself`);
    t.equal(latencyBucket(bound * 1000 + 0.001), bucket + 1, `just above ${bound} s`);
  });
  t.equal(latencyBucket(0), 0);
  t.equal(latencyBucket(1e9), LATENCY_BUCKETS - 1);
});

t.test('lines are cumulative, end with all, and rows that were never met have none', async (t) => {
  const grid = new LatencyGrid([{ api: 'a' }, { api: 'b' }]);
  for (const ms of [0.1, 3, 3, 70_000]) grid.observe(1, ms);
  const lines = grid.lines('x_seconds');
  t.ok(lines.every(({ labels }) => labels?.['api'] === 'b'));
  const value = (le: string): number | undefined => lines.find(({ labels }) => labels?.['le'] === le)?.value;
  t.same([value('0.0005'), value('0.0025'), value('0.005'), value('60'), value('+Inf')], [1, 1, 3, 3, 4]);
  t.match(lines.at(-2), { metricName: 'x_seconds_sum', value: 70.0061 });
  t.match(lines.at(-1), { metricName: 'x_seconds_count', value: 4 });
});

t.test('counts that came from elsewhere, shorter ones too', async (t) => {
  t.same(histogramLines('x', {}, { buckets: [], totalMs: 0 }), []);
  t.equal(histogramLines('x', {}, { buckets: [2, 1], totalMs: 5 }).at(-1)?.value, 3);
});
