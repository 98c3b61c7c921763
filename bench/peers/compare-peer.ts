/**
 * One other store beside ours, row by row: peer, we, we, peer, so that a noisy minute hits both and neither always comes
 * second. Starts and stops both, warms both up in the same way, and keeps each row as it is finished.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onEnd } from '../cleanup.ts';
import { startEmbedded } from '../embedded.ts';
import { pidsOfFile, processTree, pssBytes } from '../process-tree.ts';
import { number } from '../report.ts';
import { machineLine } from '../result-format.ts';
import type { PeersOptions } from './options.ts';
import { type PeerDirectory, runCLoad, type Sample, type Served, startPeer } from './peer.ts';
import type { PeerRow } from './rows.ts';
import type { IdleMemory, Made, PeerPass, PeersState } from './state-format.ts';

const SETTLE_MS = 3000;
/** Our deletes take their names faster than a default would last. */
const OUR_DELETES_PER_SECOND = 8000;
const PEER_DELETES = 500;
const WARMUP_DELETES = 200;
/** What every store does after its start, before anything counts: code gets compiled, caches and connections filled. */
const PRIME: Pick<PeerRow, 'op' | 'size' | 'connections'> = { op: 'mixed', size: '4k', connections: 64 };

interface Side extends Served {
  readonly load: string;
  readonly deletes: number;
}

interface Pair {
  readonly peer: Side;
  readonly ours: Side;
}

export async function comparePeer(where: PeerDirectory, options: PeersOptions, state: PeersState): Promise<boolean> {
  const { name, load } = where;
  const { processes } = options;
  const done = state.comparison(name, processes).rows;
  const rows = options.rows.filter(({ id }) => !options.resume || !done.some(({ row }) => row === id));
  if (rows.length === 0) return true;
  const started = await startPeer(where);
  const peer = { ...started, load, deletes: PEER_DELETES };
  let good = true;
  try {
    if (!options.resume || state.comparison(name, processes).idle === undefined)
      state.keepIdle(name, processes, await idleMemory(peer, options));
    await prime(peer, options);
    for (const group of bySize(rows)) {
      await withOurs(load, options, async (ours) => {
        await prime(ours, options);
        for (const row of group) {
          const passes = await measureRow(row, { peer, ours }, options);
          state.keepRow(name, processes, { row: row.id, ...madeOf(options), passes });
          good &&= passes.every((pass) => pass.peer.errors + pass.ours.errors === 0);
        }
      });
    }
  } finally {
    await started.stop();
  }
  return good;
}

/** Ours starts afresh for each: no size pays for the space of another, and the disk has room for each. */
function bySize(rows: readonly PeerRow[]): PeerRow[][] {
  const kinds = [/k$/, /^1m$/, /^64m$/];
  return kinds.map((kind) => rows.filter(({ size }) => kind.test(size))).filter((group) => group.length > 0);
}

async function measureRow(row: PeerRow, pair: Pair, options: PeersOptions): Promise<PeerPass[]> {
  const passes: PeerPass[] = [];
  for (let pass = 1; pass <= options.passes; pass++) {
    const order = pass % 2 === 1 ? (['peer', 'ours'] as const) : (['ours', 'peer'] as const);
    const samples: Partial<Record<keyof Pair, Sample>> = {};
    for (const side of order) samples[side] = await measure(row, pair[side], options);
    const { peer, ours } = samples as Record<keyof Pair, Sample>;
    passes.push({ first: order[0], peer, ours });
    const rate = number(ours.opsPerSecond / peer.opsPerSecond);
    const cpu = number((peer.cpuUsPerOp ?? Number.NaN) / (ours.cpuUsPerOp ?? Number.NaN));
    const title = `pass ${pass}  ${row.title.padEnd(32)}`;
    console.log(`${title} theirs ${describe(peer)}  ours ${describe(ours)}  rate × ${rate}  CPU × ${cpu}`);
  }
  return passes;
}

async function measure(row: PeerRow, side: Side, options: PeersOptions): Promise<Sample> {
  const bounded = row.op === 'delete';
  const { warmupSeconds } = options;
  const seconds = options.seconds * row.timeFactor;
  const warming = bounded ? { ...row, names: WARMUP_DELETES } : row;
  if (warmupSeconds > 0) await runCLoad(warming, { ...side, seconds: warmupSeconds });
  return await runCLoad(bounded ? { ...row, names: side.deletes } : row, { ...side, seconds });
}

async function prime(side: Side, { primeSeconds }: PeersOptions): Promise<void> {
  if (primeSeconds > 0) await runCLoad(PRIME, { ...side, seconds: primeSeconds });
}

export function describe({ opsPerSecond, cpuUsPerOp, errors }: Sample): string {
  return `${number(opsPerSecond)}/s ${number(cpuUsPerOp)} µs${errors > 0 ? ` (${errors} errors)` : ''}`;
}

export function madeOf({ command, seconds, warmupSeconds, primeSeconds }: PeersOptions): Made {
  return { date: new Date().toISOString(), machine: machineLine(), command, seconds, warmupSeconds, primeSeconds };
}

async function withOurs(
  load: string,
  { processes, parent, seconds }: PeersOptions,
  use: (ours: Side) => Promise<void>,
): Promise<void> {
  const cluster = await startEmbedded({ processes, ...(parent ? { parent } : {}) });
  const { url, token = '' } = await cluster.target('swift', 'all');
  const pidfile = path.join(tmpdir(), `needletail-bench-${cluster.pid}.pid`);
  writeFileSync(pidfile, `${cluster.pid} needletail\n`);
  const remove = onEnd(async () => rmSync(pidfile, { force: true }));
  try {
    await use({ storageUrl: url, token, pidfile, load, deletes: Math.ceil(OUR_DELETES_PER_SECOND * seconds) });
  } finally {
    await cluster.stop();
    await remove();
  }
}

async function idleMemory(peer: Side, options: PeersOptions): Promise<IdleMemory> {
  let oursPssMiB = 0;
  const ofSide = ({ pidfile }: Side): number => pssBytes(processTree(pidsOfFile(pidfile))) / 2 ** 20;
  await withOurs(peer.load, options, async (ours) => {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    oursPssMiB = ofSide(ours);
  });
  const peerPssMiB = ofSide(peer);
  console.log(`idle memory (PSS): theirs ${peerPssMiB.toFixed(0)} MiB, ours ${oursPssMiB.toFixed(0)} MiB`);
  return { ...madeOf(options), peerPssMiB, oursPssMiB };
}
