/**
 * What makes a data directory one cluster: its id, the secrets that place names and authenticate nodes, its ring. Made on
 * the first start, in DIR/cluster.json and DIR/ring.gz (mode 0600), never changed afterwards by starting.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Disk } from '../../fabric/disk.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { RingData } from '../../ring/contract.ts';
import { fiveZoneRingData } from '../../ring/five-zone-ring.ts';
import { decodeRing, encodeRing } from '../../ring/ring-file-format.ts';

const FORMAT = 1;
const MODE_PRIVATE = 0o600;

export interface ClusterIdentity {
  readonly format: number;
  /** 32 hex digits; every disk carries it. */
  readonly clusterId: string;
  /** Swift's hash path prefix and suffix. */
  readonly hashPrefix: string;
  readonly hashSuffix: string;
  /** Nodes authenticate each other with it. Hex. */
  readonly clusterSecret: string;
  /** Signs tokens. Hex. */
  readonly tokenSecret: string;
  readonly region: string;
}

export interface ClusterFiles {
  readonly identity: ClusterIdentity;
  readonly ring: RingData;
  readonly created: boolean;
}

export async function openClusterFiles(directory: string, disk: Disk, random: Random): Promise<ClusterFiles> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const ringFile = path.join(directory, 'ring.gz');
  // Services without a store have a cluster.json alone.
  const isNew = readIfThere(path.join(directory, 'cluster.json')) === undefined;
  const created = isNew || !(existsSync(ringFile) || hasDevices(directory));
  const ring = created ? fiveZoneRingData() : decodeRing(readFileSync(ringFile));
  // The ring first: a cluster.json without a ring would be half a cluster.
  if (created) await disk.replaceFile(ringFile, encodeRing(ring), MODE_PRIVATE);
  return { identity: await openClusterIdentity(directory, disk, random), ring, created };
}

/** What lies on them was placed by a ring: it is not to be replaced. */
function hasDevices(directory: string): boolean {
  const zones = path.join(directory, 'zones');
  return existsSync(zones) && readdirSync(zones).some((name) => existsSync(path.join(zones, name, 'device.json')));
}

/** Of a directory that need not hold a store. */
export async function openClusterIdentity(directory: string, disk: Disk, random: Random): Promise<ClusterIdentity> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, 'cluster.json');
  const known = readIfThere(file);
  if (known) return parseIdentity(known, file);
  const identity = makeIdentity(random);
  await disk.replaceFile(file, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`), MODE_PRIVATE);
  return identity;
}

function makeIdentity(random: Random): ClusterIdentity {
  return {
    format: FORMAT,
    clusterId: random.bytes(16).toString('hex'),
    hashPrefix: random.bytes(8).toString('hex'),
    hashSuffix: random.bytes(8).toString('hex'),
    clusterSecret: random.bytes(32).toString('hex'),
    tokenSecret: random.bytes(32).toString('hex'),
    region: 'us-east-1',
  };
}

export function parseIdentity(text: string, file: string): ClusterIdentity {
  let identity: Partial<ClusterIdentity>;
  try {
    identity = JSON.parse(text) as Partial<ClusterIdentity>;
  } catch {
    throw new Fault('BadClusterFile', { file }, `${file} is not JSON`);
  }
  if (identity.format !== FORMAT || !/^[0-9a-f]{32}$/.test(identity.clusterId ?? '')) {
    throw new Fault('BadClusterFile', { file }, `${file} is not a cluster file of format ${FORMAT}`);
  }
  return identity as ClusterIdentity;
}

export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
