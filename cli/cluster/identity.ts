/**
 * What makes a data directory one cluster: its id, the secrets that place names and authenticate nodes, its ring. Made on
 * the first start, in DIR/cluster.json and DIR/ring.gz (mode 0600), never changed afterwards by starting.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Disk } from '../../fabric/disk.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { RingData } from '../../ring/contract.ts';
import { fiveZoneRingData } from '../../ring/five-zone-ring.ts';
import { decodeRing, encodeRing } from '../../ring/ring-file-format.ts';

const FORMAT = 1;

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
  const file = path.join(directory, 'cluster.json');
  const ringFile = path.join(directory, 'ring.gz');
  const known = readIfThere(file);
  if (known) {
    const identity = parseIdentity(known, file);
    return { identity, ring: decodeRing(readFileSync(ringFile)), created: false };
  }
  const identity = makeIdentity(random);
  const ring = fiveZoneRingData();
  // The ring first: a cluster.json without a ring would be half a cluster.
  await disk.replaceFile(ringFile, encodeRing(ring), 0o600);
  await disk.replaceFile(file, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`), 0o600);
  return { identity, ring, created: true };
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
