/**
 * `npm run bench -- peers`: this store beside another one on the same machine, in passes that take turns row by row, so
 * that a noisy minute hits both. Starts and stops both; what it prints is ratios, within a pass and their median.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { onEnd } from '../cleanup.ts';
import { type Embedded, startEmbedded } from '../embedded.ts';
import { list, oneOf, positive } from '../options.ts';
import { pidsOfFile, processTree, pssBytes } from '../process-tree.ts';
import { number } from '../report.ts';
import { machineLine } from '../result-format.ts';
import { writeSections } from './document.ts';
import { type Peer, runCLoad, type Sample, type Served, startPeer } from './peer.ts';
import { chooseRows, type PeerRow, ROWS } from './rows.ts';
import { DOOR_ROWS, DOORS, type DoorSample, Doors } from './s3-cost.ts';
import { type DoorPass, doorTable, median, type PeerPass, peerTable } from './tables.ts';

const SETTLE_MS = 3000;
/** Our deletes take their names faster than a default would last. */
const OUR_DELETES_PER_SECOND = 8000;
const PEER_DELETES = 500;
const WARMUP_DELETES = 200;

export const PEERS_HELP = `npm run bench -- peers --peers-dir DIR [options]
  --peers-dir DIR         directory with PEER/start.sh, PEER/stop.sh and load/load.sh (docs/benchmarks.md says what they do)
  --only LIST             of swift,rgw (any subdirectory) and s3: our own S3 against our Swift API; default swift,s3
  --rows LIST             of ${ROWS.map(({ id }) => id).join(',')}; default all
  --passes N              default 3; --seconds N per row, default 6; --warmup N before each, default 1
  --processes inline|zones  of our cluster, default inline
  --dir DIR               where our cluster keeps its data while it runs
  --out FILE.json         every sample; --write-docs: the tables into docs/benchmarks.md
`;

interface PeersOptions {
  readonly directory: string;
  readonly only: readonly string[];
  readonly rows: readonly PeerRow[];
  readonly passes: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly processes: 'inline' | 'zones';
  readonly parent: string | undefined;
}

interface Outcome {
  readonly name: string;
  readonly idle: { readonly peerMiB: number; readonly oursMiB: number };
  readonly passes: readonly PeerPass[];
}

export async function peers(args: readonly string[]): Promise<boolean> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      'peers-dir': text,
      only: text,
      rows: text,
      passes: text,
      seconds: text,
      warmup: text,
      processes: text,
      dir: text,
      out: text,
      'write-docs': { type: 'boolean', default: false },
    },
  });
  const only = list(values.only ?? 'swift,s3');
  if (values['peers-dir'] === undefined && only.some((name) => name !== 's3'))
    throw new Error('--peers-dir is missing');
  const options: PeersOptions = {
    directory: path.resolve(values['peers-dir'] ?? '.'),
    only,
    rows: chooseRows(list(values.rows ?? '')),
    passes: positive('passes', values.passes ?? '3'),
    seconds: positive('seconds', values.seconds ?? '6'),
    warmupSeconds: Number(values.warmup ?? '1'),
    processes: oneOf('processes', values.processes ?? 'inline', ['inline', 'zones'] as const),
    parent: values.dir,
  };
  const outcomes: Outcome[] = [];
  for (const name of only.filter((one) => one !== 's3')) outcomes.push(await comparePeer(name, options));
  const doors = only.includes('s3') ? await compareDoors(options) : [];
  const sections = sectionsOf(options, outcomes, doors);
  for (const [name, section] of Object.entries(sections)) console.log(`\n## ${name}\n\n${section}`);
  if (values.out) {
    const result = { date: new Date().toISOString(), machine: machineLine(), options, outcomes, doors };
    writeFileSync(values.out, `${JSON.stringify(result, null, 1)}\n`);
  }
  if (values['write-docs']) writeSections(sections);
  const samples = outcomes.flatMap(({ passes }) => passes.flatMap(({ peer, ours }) => [peer, ours]));
  samples.push(...doors.flatMap(({ samples: own }) => Object.values(own)));
  return samples.every(({ errors }) => errors === 0);
}

async function comparePeer(name: string, options: PeersOptions): Promise<Outcome> {
  const peer = await startPeer(options.directory, name);
  const passes: PeerPass[] = [];
  let idle = { peerMiB: 0, oursMiB: 0 };
  try {
    for (let pass = 1; pass <= options.passes; pass++) {
      // A new one for each pass: the disk has room for one pass of large bodies, not for all.
      const ours = await startOurs(options);
      try {
        if (pass === 1) idle = await idleMemory(peer, ours.served);
        for (const row of options.rows) passes.push(await onePass({ row, pass, peer, ours: ours.served, options }));
      } finally {
        await ours.cluster.stop();
      }
    }
  } finally {
    await peer.stop();
  }
  return { name, idle, passes };
}

async function onePass(args: {
  row: PeerRow;
  pass: number;
  peer: Peer;
  ours: Served;
  options: PeersOptions;
}): Promise<PeerPass> {
  const { row, pass, options } = args;
  const measure = async (at: Served, deletes: number): Promise<Sample> => {
    const bounded = row.op === 'delete';
    const run = (seconds: number, names: number): Promise<Sample> =>
      runCLoad(options.directory, bounded ? { ...row, names } : row, { ...at, seconds });
    if (options.warmupSeconds > 0) await run(options.warmupSeconds, WARMUP_DELETES);
    return await run(options.seconds, deletes);
  };
  const first = async (): Promise<Sample> => measure(args.peer, PEER_DELETES);
  const second = async (): Promise<Sample> => measure(args.ours, OUR_DELETES_PER_SECOND * options.seconds);
  // Neither always comes after the other.
  let peer: Sample;
  let ours: Sample;
  if (pass % 2 === 1) {
    peer = await first();
    ours = await second();
  } else {
    ours = await second();
    peer = await first();
  }
  const rate = number(ours.opsPerSecond / peer.opsPerSecond);
  const cpu = number((peer.cpuUsPerOp ?? Number.NaN) / (ours.cpuUsPerOp ?? Number.NaN));
  const errors = peer.errors + ours.errors > 0 ? `  ERRORS theirs ${peer.errors}, ours ${ours.errors}` : '';
  console.log(
    `pass ${pass}  ${row.title.padEnd(32)} theirs ${describe(peer)}  ours ${describe(ours)}  rate × ${rate}  CPU × ${cpu}${errors}`,
  );
  return { row: row.id, pass, peer, ours };
}

async function compareDoors(options: PeersOptions): Promise<DoorPass[]> {
  const wanted = DOOR_ROWS.filter(({ id }) => options.rows.some((row) => row.id === id));
  const { seconds, warmupSeconds } = options;
  const passes: DoorPass[] = [];
  for (let pass = 1; pass <= options.passes; pass++) {
    const { cluster } = await startOurs(options);
    try {
      const doors = await Doors.open(cluster);
      for (const row of wanted) {
        const samples: Partial<Record<(typeof DOORS)[number]['id'], DoorSample>> = {};
        for (let turn = 0; turn < DOORS.length; turn++) {
          const { id } = DOORS[(turn + pass) % DOORS.length] as (typeof DOORS)[number];
          samples[id] = await doors.measure(id, { ...row, seconds, warmupSeconds });
        }
        passes.push({ row: row.id, pass, samples: samples as DoorPass['samples'] });
        const texts = DOORS.map(({ id }) => `${id} ${describe(samples[id] as DoorSample)}`);
        console.log(`pass ${pass}  ${row.title.padEnd(32)} ${texts.join('  ')}`);
      }
    } finally {
      await cluster.stop();
    }
  }
  return passes;
}

function describe({ opsPerSecond, cpuUsPerOp, errors }: Sample): string {
  return `${number(opsPerSecond)}/s ${number(cpuUsPerOp)} µs${errors > 0 ? ` (${errors} errors)` : ''}`;
}

async function startOurs({ processes, parent }: PeersOptions): Promise<{ cluster: Embedded; served: Served }> {
  const cluster = await startEmbedded({ processes, ...(parent ? { parent } : {}) });
  const { url, token = '' } = await cluster.target('swift', 'all');
  const pidfile = path.join(tmpdir(), `needletail-bench-${cluster.pid}.pid`);
  writeFileSync(pidfile, `${cluster.pid} needletail\n`);
  const remove = onEnd(async () => rmSync(pidfile, { force: true }));
  const stop = async (): Promise<void> => {
    await cluster.stop();
    await remove();
  };
  return { cluster: { ...cluster, stop }, served: { storageUrl: url, token, pidfile } };
}

async function idleMemory(peer: Served, ours: Served): Promise<{ peerMiB: number; oursMiB: number }> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const [peerMiB = 0, oursMiB = 0] = [peer, ours].map(
    ({ pidfile }) => pssBytes(processTree(pidsOfFile(pidfile))) / 2 ** 20,
  );
  console.log(`idle memory (PSS): theirs ${peerMiB.toFixed(0)} MiB, ours ${oursMiB.toFixed(0)} MiB`);
  return { peerMiB, oursMiB };
}

/** By the names of the markers in docs/benchmarks.md. */
function sectionsOf(
  options: PeersOptions,
  outcomes: readonly Outcome[],
  doors: readonly DoorPass[],
): Record<string, string> {
  const date = new Date().toISOString().slice(0, 10);
  const made = `${date}, ${machineLine()}. ${options.passes} passes of ${options.seconds} s a row, cluster \`--processes ${options.processes}\`.`;
  const sections: Record<string, string> = {};
  for (const { name, idle, passes } of outcomes) {
    const memory = `Memory when idle (PSS, all processes): ${name} ${idle.peerMiB.toFixed(0)} MiB, ours ${idle.oursMiB.toFixed(0)} MiB.`;
    sections[name] = `${made}\n\n${peerTable(name, options.rows, passes, name === 'swift')}\n\n${memory}`;
  }
  if (doors.length > 0) {
    const swift = outcomes.find(({ name }) => name === 'swift')?.passes ?? [];
    const cpu = new Map(
      options.rows.map(({ id }) => {
        const own = swift.filter(({ row, peer }) => row === id && peer.errors === 0);
        return [id, median(own.map(({ peer }) => peer.cpuUsPerOp ?? Number.NaN))] as const;
      }),
    );
    for (const [id, value] of cpu) if (Number.isNaN(value)) cpu.delete(id);
    sections['s3'] = `${made}\n\n${doorTable(DOOR_ROWS, doors, cpu)}`;
  }
  return sections;
}
