/** One check of a data directory from beginning to end, and its report in words. Never writes into the directory. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Fault } from '../../fabric/errors.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { createPathHasher } from '../../ring/path-hash.ts';
import { createRing } from '../../ring/ring.ts';
import { decodeRing } from '../../ring/ring-file-format.ts';
import { parseIdentity, readIfThere } from '../cluster/identity.ts';
import { lockHolder } from '../cluster/lock.ts';
import { livingZones } from '../cluster/pids.ts';
import { CATEGORIES, type Category } from './findings.ts';
import { takeInventory } from './inventory.ts';
import { judge } from './judge.ts';
import { createNamer } from './names.ts';

/** Findings of one kind that are printed without --full. */
const SHOWN_MAX = 20;

export interface Report {
  readonly exitCode: 0 | 1 | 2;
  readonly devices: number;
  /** Log records and chunks whose checksums were verified. */
  readonly records: number;
  readonly chunks: number;
  /** Live registers by kind. */
  readonly live: Readonly<Record<string, number>>;
  readonly findings: Partial<Record<Category, readonly string[]>>;
}

/** Fault when the directory is no cluster, or is in use. */
export async function inspect(given: string): Promise<Report> {
  const directory = path.resolve(given);
  const file = path.join(directory, 'cluster.json');
  const text = readIfThere(file);
  if (text === undefined) throw new Fault('NotACluster', { directory }, `${directory} holds no cluster.json`);
  const identity = parseIdentity(text, file);
  const holder = lockHolder(directory) ?? livingZones(path.join(directory, 'run'))[0];
  if (holder !== undefined) {
    throw new Fault('DirectoryInUse', { directory }, `${directory} is in use by process ${holder}: stop it first`);
  }
  const ringData = decodeRing(readFileSync(path.join(directory, 'ring.gz')));
  const devices = ringData.devices.flatMap((device) => (device ? [{ id: device.id, name: device.device }] : []));
  const { clusterId, hashPrefix, hashSuffix } = identity;
  const place = { disk: systemDisk, clusterId };
  const inventory = await takeInventory(path.join(directory, 'zones'), devices, place);
  const hashPath = createPathHasher({ prefix: Buffer.from(hashPrefix), suffix: Buffer.from(hashSuffix) });
  const { findings, live } = judge({
    inventory,
    ring: createRing(ringData),
    namer: createNamer(inventory.keys),
    hash: (account, container, object) => hashPath(account, container, object).toString('latin1'),
  });
  return {
    exitCode: exitCodeOf([...findings.keys()]),
    devices: devices.length,
    records: inventory.records,
    chunks: inventory.chunks,
    live,
    findings: Object.fromEntries(findings),
  };
}

function exitCodeOf(found: readonly Category[]): Report['exitCode'] {
  const severities = found.map((category) => CATEGORIES[category].severity);
  if (severities.includes('bad')) return 2;
  return severities.includes('degraded') ? 1 : 0;
}

const VERDICTS = ['all at target', 'degraded, nothing lost', 'DATA LOST OR UNREADABLE'] as const;

/** Findings by kind, the worst first, then one line that sums it up. */
export function describe(report: Report, full: boolean): string {
  const { findings, live, devices, records, chunks, exitCode } = report;
  const lines: string[] = [];
  for (const [category, { text }] of Object.entries(CATEGORIES)) {
    const found = findings[category as Category] ?? [];
    if (found.length === 0) continue;
    lines.push(`${category}: ${found.length} ${text}`);
    const shown = full ? found : found.slice(0, SHOWN_MAX);
    lines.push(...shown.map((finding) => `    ${finding}`));
    if (shown.length < found.length) lines.push(`    and ${found.length - shown.length} more (--full shows them)`);
  }
  const counts = Object.entries(findings).map(([category, found]) => `${category} ${found.length}`);
  lines.push(
    `${VERDICTS[exitCode]}: ${devices} devices, ${records} records, ${chunks} chunks, ` +
      `${live['object'] ?? 0} objects in ${live['container'] ?? 0} containers; ${counts.join(', ') || 'no findings'}`,
  );
  return `${lines.join('\n')}\n`;
}
