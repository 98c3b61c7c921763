/** Samples of several passes as Markdown tables: ratios within a pass, then their median. Invalid rows say so. */
import { number } from '../report.ts';
import type { PeerRow } from './rows.ts';
import { DOORS, type Door, type DoorPass, type DoorRow } from './s3-cost.ts';
import type { PeerPass, RowResult } from './state-format.ts';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Floors and aims are of the comparison with Swift; another peer is to be beaten, no more. */
export function peerTable(
  peer: string,
  rows: readonly PeerRow[],
  results: readonly RowResult<PeerPass>[],
  swift: boolean,
): string {
  const lines = [
    `| operation, connections | ${peer}: ops/s · CPU ms | ours: ops/s · CPU ms | rate ×: passes → median | CPU ×: passes → median | floor (rate · CPU) | aim | reached | p99 ms: theirs, ours | other CPU % |`,
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const row of rows) {
    const own = results.find((one) => one.row === row.id);
    if (own) lines.push(peerLine(swift ? row : { ...row, floor: { rate: 1 }, aim: { rate: 1 } }, own.passes));
  }
  return lines.join('\n');
}

function peerLine(row: PeerRow, all: readonly PeerPass[]): string {
  const good = all.filter(({ peer, ours }) => peer.errors === 0 && ours.errors === 0);
  if (good.length === 0) {
    const errors = (who: 'peer' | 'ours'): string => all.map((one) => one[who].errors).join(' ');
    return `| ${row.title} | errors: ${errors('peer')} | errors: ${errors('ours')} | invalid | | | | no | | |`;
  }
  const rates = good.map(({ peer, ours }) => ours.opsPerSecond / peer.opsPerSecond);
  const costs = good.map(({ peer, ours }) => (peer.cpuUsPerOp ?? Number.NaN) / (ours.cpuUsPerOp ?? Number.NaN));
  const cell = (who: 'peer' | 'ours'): string =>
    `${number(median(good.map((one) => one[who].opsPerSecond)))} · ${number(median(good.map((one) => one[who].cpuUsPerOp ?? Number.NaN)) / 1000)}`;
  const p99 = (['peer', 'ours'] as const).map((who) => number(median(good.map((one) => one[who].p99Ms))));
  const other = good.map(({ peer, ours }) => number(Math.max(peer.otherCpuPercent, ours.otherCpuPercent)));
  const short = good.length < all.length ? ` (${all.length - good.length} passes invalid)` : '';
  const reached = reachedOf(row, median(rates), median(costs));
  return `| ${row.title} | ${cell('peer')} | ${cell('ours')} | ${ratios(rates)}${short} | ${ratios(costs)} | ${goal(row.floor)} | ${goal(row.aim)} | ${reached} | ${p99.join(', ')} | ${other.join(' ')} |`;
}

function reachedOf({ floor, aim }: PeerRow, rate: number, cost: number): string {
  const meets = (wanted: { rate: number; cpu?: number }): boolean =>
    rate >= wanted.rate && (wanted.cpu === undefined || cost >= wanted.cpu);
  if (!meets(floor)) {
    const missed = [rate < floor.rate ? 'rate' : '', floor.cpu !== undefined && cost < floor.cpu ? 'CPU' : ''];
    return `**no**: ${missed.filter(Boolean).join(', ')}`;
  }
  return meets(aim) ? 'aim' : 'floor';
}

function ratios(values: readonly number[]): string {
  return `${values.map(number).join(' ')} → **${number(median(values))}**`;
}

function goal({ rate, cpu }: { rate: number; cpu?: number }): string {
  return cpu === undefined ? `${rate}` : `${rate} · ${cpu}`;
}

/** `peerCpuUs`: CPU per operation of the peer in the same run, by row, where it was measured. */
export function doorTable(
  rows: readonly DoorRow[],
  results: readonly RowResult<DoorPass>[],
  peerCpuUs: ReadonlyMap<string, number>,
): string {
  const titles = DOORS.map(({ title }) => `${title}: ops/s · CPU µs`).join(' | ');
  const lines = [
    `| operation, connections | ${titles} | S3 ÷ Swift API, CPU on node:http | S3 on uWebSockets.js ÷ Swift API, CPU | OpenStack Swift ÷ ours by S3 on uWebSockets.js, CPU | client CPU µs |`,
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const row of rows) {
    const own = results.find((one) => one.row === row.id);
    if (own) lines.push(doorLine(row, own.passes, peerCpuUs.get(row.id)));
  }
  return lines.join('\n');
}

function doorLine(row: DoorRow, all: readonly DoorPass[], peerCpuUs: number | undefined): string {
  const bad = all.filter(({ samples }) => DOORS.some(({ id }) => samples[id].errors > 0));
  const good = all.filter((one) => !bad.includes(one));
  if (good.length === 0) {
    const errors = DOORS.map(({ id }) => `errors: ${bad.map(({ samples }) => samples[id].errors).join(' ')}`);
    return `| ${row.title} | ${errors.join(' | ')} | invalid | | | |`;
  }
  const cpu = (id: Door): number => median(good.map(({ samples }) => samples[id].cpuUsPerOp ?? Number.NaN));
  const cells = DOORS.map(
    ({ id }) => `${number(median(good.map(({ samples }) => samples[id].opsPerSecond)))} · ${number(cpu(id))}`,
  );
  const by = (id: Door): string =>
    ratios(
      good.map(({ samples }) => (samples[id].cpuUsPerOp ?? Number.NaN) / (samples.swift.cpuUsPerOp ?? Number.NaN)),
    );
  const peer = peerCpuUs === undefined ? '' : number(peerCpuUs / cpu('s3-uws'));
  const client = number(median(good.map(({ samples }) => samples['s3-uws'].clientCpuUsPerOp)));
  return `| ${row.title} | ${cells.join(' | ')} | ${by('s3-node')} | ${by('s3-uws')} | ${peer} | ${client} |`;
}
