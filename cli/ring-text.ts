// How rings and rebalances are shown to operators: one description for --json, printed as text without it.
// Computes nothing of its own; every figure comes from ring/.
import type { RebalanceReport, RingBuilder } from '../ring/builder.ts';
import type { Device, RingData } from '../ring/contract.ts';
import { printAddress } from '../ring/device-spec.ts';
import { planReplicas } from '../ring/plan.ts';
import { type DispersionReport, reportBalance, reportDispersion } from '../ring/report.ts';
import { replicaCountOf } from '../ring/ring.ts';
import { buildTierTree } from '../ring/tiers.ts';

/** Moves between more pairs of devices than this are only counted in the text; --json has them all. */
const movementLinesMax = 20;

export interface RingDescription {
  readonly kind: 'builder' | 'ring';
  readonly version: number;
  readonly partPower: number;
  readonly partitions: number;
  readonly replicas: number;
  readonly regions: number;
  readonly zones: number;
  /** Percent: the device farthest from its weight's share. */
  readonly balance: number;
  /** Percent of replicas that share a failure domain without need; absent when there are too few devices to say. */
  readonly dispersion?: number;
  readonly tiers?: DispersionReport['tiers'];
  readonly devices: readonly (Device & {
    readonly partitions: number;
    readonly balance: number;
    readonly removing: boolean;
  })[];
  /** Only in a builder. */
  readonly builder?: {
    readonly minPartHours: number;
    readonly secondsUntilFree: number;
    readonly overload: number;
    readonly changedSinceRebalance: boolean;
  };
}

export function describeBuilder(builder: RingBuilder, nowMs: number): RingDescription {
  const { minPartHours, overload, changed, removing, replicas } = builder.state;
  const secondsUntilFree = builder.secondsUntilFree(nowMs);
  const settings = { minPartHours, secondsUntilFree, overload, changedSinceRebalance: changed };
  return { ...describe(builder.ringData(), replicas, removing), kind: 'builder', builder: settings };
}

export function describeRing(data: RingData): RingDescription {
  return { ...describe(data, replicaCountOf(data.table), []), kind: 'ring' };
}

function describe(data: RingData, replicas: number, removing: readonly number[]): Omit<RingDescription, 'kind'> {
  const { version, partPower, table } = data;
  const balance = reportBalance(data.devices, table);
  const byId = new Map(balance.devices.map((entry) => [entry.id, entry]));
  const present = data.devices.filter((device) => device !== null);
  const devices = present.map((device) => {
    const { partitions = 0, balance: off = 0 } = byId.get(device.id) ?? {};
    return { ...device, partitions, balance: off, removing: removing.includes(device.id) };
  });
  const regions = new Set(present.map(({ region }) => region)).size;
  const zones = new Set(present.map(({ region, zone }) => `${region} ${zone}`)).size;
  const summary = { version, partPower, partitions: 2 ** partPower, replicas, regions, zones };
  const root = buildTierTree(data.devices);
  const base = { ...summary, balance: table.length > 0 ? balance.worst : 0, devices };
  if (root.deviceCount < replicas || table.length === 0) return base;
  planReplicas(root, replicas, 0);
  const { atRisk, tiers } = reportDispersion(root, data.devices, table);
  return { ...base, dispersion: atRisk, tiers };
}

export function printDescription(file: string, ring: RingDescription): string {
  const { partitions, replicas, regions, zones, devices, balance, dispersion, builder } = ring;
  const lines = [
    `${file}: ${ring.kind}, version ${ring.version}`,
    `${partitions} partitions, ${replicas} replicas, ${regions} regions, ${zones} zones, ${devices.length} devices, ` +
      `balance ${balance.toFixed(2)} %, dispersion ${dispersion === undefined ? 'unknown' : `${dispersion.toFixed(2)} %`}`,
  ];
  if (builder) {
    const wait = builder.secondsUntilFree > 0 ? ` (${builder.secondsUntilFree} s left)` : '';
    lines.push(`min_part_hours ${builder.minPartHours}${wait}, overload ${builder.overload}`);
    if (builder.changedSinceRebalance) lines.push('Changed since the last rebalance.');
  }
  return [...lines, '', ...printTable(deviceRows(devices))].join('\n');
}

export function printRebalance(report: RebalanceReport, builder: RingBuilder, ringFile: string): string {
  const { moved, assigned, movedAtLeast, partitionsMoved, partitionsHeld, removedDevices, movements } = report;
  const slots = builder.state.table.reduce((sum, row) => sum + row.length, 0);
  const lines = [
    `Moved ${moved} of ${slots} replicas (${((100 * moved) / slots).toFixed(2)} %) in ${partitionsMoved} partitions; ` +
      `the weights alone call for ${movedAtLeast}. ${assigned} newly assigned.`,
    `Balance is now ${report.balance.toFixed(2)} %, dispersion ${report.dispersion.toFixed(2)} %.`,
  ];
  if (removedDevices.length > 0) lines.push(`Removed devices: ${removedDevices.join(', ')}.`);
  if (partitionsHeld > 0) lines.push(`${partitionsHeld} partitions moved less than min_part_hours ago and stayed.`);
  lines.push(
    ...movements.slice(0, movementLinesMax).map(({ from, to, count }) => `  device ${from} -> ${to}: ${count}`),
  );
  if (movements.length > movementLinesMax)
    lines.push(`  … and ${movements.length - movementLinesMax} more pairs (--json)`);
  if (report.dispersion > 0) {
    const overload = builder.requiredOverload().toFixed(4);
    lines.push(
      `Warning: some replicas share a failure domain. Adjust weights, or set --overload (full spread: ${overload}).`,
    );
  } else if (report.balance > 5 && partitionsHeld > 0) {
    lines.push(
      `Warning: not balanced yet. Distribute this ring, wait ${builder.state.minPartHours} hours, rebalance again.`,
    );
  }
  return [...lines, `Wrote ${ringFile}.`].join('\n');
}

function deviceRows(devices: RingDescription['devices']): string[][] {
  const head = ['id', 'region', 'zone', 'address', 'replication', 'device', 'weight', 'partitions', 'balance', 'meta'];
  const rows = devices.map((one) => [
    String(one.id),
    String(one.region),
    String(one.zone),
    printAddress(one.ip, one.port),
    printAddress(one.replicationIp, one.replicationPort),
    one.device,
    one.removing ? 'removing' : one.weight.toFixed(2),
    String(one.partitions),
    one.balance.toFixed(2),
    one.meta,
  ]);
  return [head, ...rows];
}

function printTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
