/** Proves a snapshot by reading all of it; and counts what it shares with the others of its lineage. */
import { isFault } from '../../fabric/errors.ts';
import type {
  AllocatedExtent,
  CheckResult,
  Extent,
  OpenSnapshot,
  SnapshotInfo,
  SnapshotRef,
  SnapshotStatistics,
} from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { FingerprintSet } from './fingerprint-set.ts';
import { readLineage } from './lineage.ts';
import { FANOUT } from './node-format.ts';
import { NodeStore } from './node-store.ts';
import { forEach } from './parallel.ts';
import { readSnapshot } from './reader.ts';
import { Tree } from './tree.ts';
import { walkTree } from './walk.ts';
import type { World } from './world.ts';

const STREAMS = 8;
/** More would say nothing new. */
const DAMAGED_MAX = 1_000;

/** A part of the manifest that cannot be read is told of as damage of all that it would name. */
export async function checkSnapshot(open: OpenSnapshot): Promise<CheckResult> {
  const source = open.chunks();
  let [chunks, bytes] = [0, 0];
  const damaged: Damage[] = [];
  const report = (offset: number, length: number, error: unknown): void => {
    // What is wrong with the store is not wrong with the snapshot.
    if (!isFault(error) || !DAMAGE.has(error.code)) throw error;
    const reason = String(error.details['reason'] ?? error.code);
    if (damaged.length < DAMAGED_MAX) damaged.push({ offset, length, reason });
  };
  await forEach(dataChunks(open, report), STREAMS, async ({ offset, length }) => {
    try {
      const chunk = await source.readChunk(offset / source.chunkBytes);
      bytes += chunk?.length ?? 0;
      chunks++;
    } catch (error) {
      report(offset, length, error);
    }
  });
  return { chunks, bytes, damaged: damaged.sort((a, b) => a.offset - b.offset) };
}

interface Damage extends Extent {
  readonly reason: string;
}

const DAMAGE: ReadonlySet<string> = new Set([repositoryFaults.corrupt, repositoryFaults.noSuchObject]);

async function* dataChunks(open: OpenSnapshot, report: (offset: number, length: number, error: unknown) => void) {
  const { sizeBytes, chunkBytes } = open.chunks();
  const leafBytes = FANOUT * chunkBytes;
  for (let from = 0; from < sizeBytes; from += leafBytes) {
    const span = Math.min(leafBytes, sizeBytes - from);
    for (const extent of await extentsOf(open, from, span, report)) {
      const end = extent.offset + extent.length;
      for (let offset = extent.offset; extent.data && offset < end; offset += chunkBytes)
        yield { offset, length: Math.min(chunkBytes, end - offset) };
    }
  }
}

async function extentsOf(
  open: OpenSnapshot,
  offset: number,
  length: number,
  report: (offset: number, length: number, error: unknown) => void,
): Promise<readonly AllocatedExtent[]> {
  try {
    return await open.map(offset, length);
  } catch (error) {
    report(offset, length, error);
    return [];
  }
}

/** Memory: 16 bytes for each chunk of the lineage's other snapshots. */
export async function countShared(
  world: World,
  ref: SnapshotRef,
  others: readonly SnapshotInfo[],
): Promise<SnapshotStatistics> {
  const nodes = new NodeStore(world.client, await readLineage(world.client, ref.lineage));
  const seen = new FingerprintSet();
  for (const other of others) {
    if (other.snapshot === ref.snapshot) continue;
    const { tree } = await readSnapshot(world, other);
    await walkTree(nodes, Tree.from(nodes, tree), (kind, each) => (seen.add(kind, each) ? 'enter' : 'skip'));
  }
  const record = await readSnapshot(world, ref);
  let [uniqueBytes, sharedBytes] = [0, 0];
  const own = new FingerprintSet();
  await walkTree(nodes, Tree.from(nodes, record.tree), (kind, each) => {
    const shared = seen.has(kind, each);
    if (kind === 'nodes' && !shared) return 'enter';
    // The same chunk in several places is stored once.
    if (kind === 'chunks' && !own.add(kind, each)) return 'skip';
    if (shared) sharedBytes += each.storedBytes;
    else uniqueBytes += each.storedBytes;
    return 'skip';
  });
  const { rawBytes = 0, storedBytes = 0 } = record.tree.root ?? {};
  return { logicalBytes: record.sizeBytes, dataBytes: rawBytes, storedBytes, uniqueBytes, sharedBytes };
}
