/** What a table says of samples: ratios, floors and aims, rows with errors; and that rows are kept and replaced. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { Sample } from './peer.ts';
import { chooseRows } from './rows.ts';
import { type PeerPass, PeersState, type RowResult } from './state-format.ts';
import { median, peerTable } from './tables.ts';

const sample = (opsPerSecond: number, cpuUsPerOp: number, errors = 0): Sample => ({
  opsPerSecond,
  cpuUsPerOp,
  p50Ms: 1,
  p99Ms: 2,
  errors,
  otherCpuPercent: 1,
});

const result = (row: string, ...passes: PeerPass[]): RowResult<PeerPass> => ({
  row,
  passes,
  date: '2026-01-01T00:00:00Z',
  machine: 'm',
  command: 'c',
  seconds: 5,
  warmupSeconds: 1,
  primeSeconds: 1,
});

const pass = (peer: Sample, ours: Sample): PeerPass => ({ first: 'peer', peer, ours });
/** PUT 4 KiB has a floor of 60 · 75 and an aim of 80 · 100. */
const rows = chooseRows(['put-4k']);
const lineOf = (...passes: PeerPass[]): string =>
  peerTable('swift', rows, [result('put-4k', ...passes)], true)
    .split('\n')
    .at(-1) ?? '';

t.test('the median', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([1, 2]), 1.5);
});

t.test('floor, aim or what was missed', async (t) => {
  const peer = sample(100, 10_000);
  t.match(lineOf(pass(peer, sample(6100, 130))), '| floor |');
  t.match(lineOf(pass(peer, sample(8100, 99))), '| aim |');
  t.match(lineOf(pass(peer, sample(6100, 140))), '| **no**: CPU |');
  t.match(lineOf(pass(peer, sample(5900, 140))), '| **no**: rate, CPU |');
});

t.test('a pass with errors does not count, a row with nothing else is invalid', async (t) => {
  const [good, bad] = [pass(sample(100, 10_000), sample(8100, 99)), pass(sample(100, 10_000), sample(9e9, 1, 7))];
  t.match(lineOf(good, bad), '81 → **81** (1 passes invalid)');
  t.match(lineOf(bad), 'errors: 7 | invalid');
});

t.test('rows are kept in the file, and one that is measured again replaces itself alone', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'needletail-bench-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'sub', 'peers.json');
  const one = pass(sample(1, 1), sample(1, 1));
  const state = new PeersState(file, false);
  state.keepRow('swift', 'inline', result('put-4k', one));
  state.keepRow('swift', 'inline', result('get-4k', one));
  state.keepRow('swift', 'zones', result('get-4k', one));
  state.keepRow('swift', 'inline', result('put-4k', one, one));
  const read = new PeersState(file, false);
  t.same(
    read.comparison('swift', 'inline').rows.map(({ row, passes }) => [row, passes.length]),
    [
      ['get-4k', 1],
      ['put-4k', 2],
    ],
  );
  t.equal(read.comparison('swift', 'zones').rows.length, 1);
  t.equal(new PeersState(file, true).comparisons.length, 0);
});
