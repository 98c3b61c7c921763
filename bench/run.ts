/** `npm run bench`: every row that was asked for, in order, each with its counts and costs. Decides; measures nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { measureCeilings } from './ceilings.ts';
import { chartOf } from './chart.ts';
import { writeDocument, writeSections } from './document.ts';
import { startEmbedded } from './embedded.ts';
import type { LoadKind } from './load/plan.ts';
import type { Measured } from './load/run-load.ts';
import type { RunOptions } from './options.ts';
import { pidsOfFile, processTree, pssBytes } from './process-tree.ts';
import { profileText } from './profile.ts';
import { printHeading, printRow, resultText } from './report.ts';
import { machineLine, RESULT_VERSION, type Result, type Row, writeResult } from './result-format.ts';
import { StoreUnderTest } from './store-under-test.ts';
import { swiftLogin, type Target } from './target.ts';

const MIB = 1 << 20;
const LARGE_BYTES = 16 * MIB;
const LARGE_CONNECTIONS_MAX = 4;
/** One operation takes a good part of a second. */
const LARGE_TIME_FACTOR = 2;
/** Pages of a large container are for latency and CPU, not for a race. */
const PAGE_CONNECTIONS = 4;
const FEW_OPS = 100;
/** Written for one row of deletes, times the replicas on the disk. */
const DELETE_BYTES_MAX = 1 << 30;

interface RowPlan {
  readonly label: string;
  readonly kind: LoadKind;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly names: number;
}

interface Opened {
  readonly store: StoreUnderTest;
  close(): Promise<void>;
}

/** Resolves to false when a row is invalid. */
export async function run(options: RunOptions, command: string): Promise<boolean> {
  const ceilings = measureCeilings(options.directory);
  const rows: Row[] = [];
  let idlePssMiB: number | undefined;
  printHeading(machineLine(), ceilings);
  for (const group of groupsOf(options)) {
    if (group.length === 0) continue;
    const { store, close } = await open(options);
    try {
      if (store.roots.length > 0) idlePssMiB ??= pssBytes(processTree(store.roots)) / MIB;
      for (const plan of group) {
        const { warmupSeconds } = options;
        const seconds = options.seconds * (plan.sizeBytes >= LARGE_BYTES ? LARGE_TIME_FACTOR : 1);
        const row = rowOf(options, plan, await store.load({ ...plan, seconds, warmupSeconds }));
        rows.push(row);
        printRow(row);
      }
      await store.close();
    } finally {
      await close();
    }
  }
  const result: Result = {
    version: RESULT_VERSION,
    date: new Date().toISOString(),
    machine: machineLine(),
    command,
    ...(idlePssMiB === undefined ? {} : { idlePssMiB }),
    ceilings,
    rows,
  };
  if (idlePssMiB !== undefined) console.log(`memory when idle (PSS): ${idlePssMiB.toFixed(0)} MiB`);
  if (options.profiles) console.log(`\ntime of their own, all rows together:\n${profileText(options.profiles)}`);
  if (options.writeDocs) {
    writeDocument('benchmarks.svg', chartOf(result));
    writeSections({ run: `${resultText(result)}\n\n![Rates of all rows](benchmarks.svg)` });
  }
  if (options.out) writeResult(options.out, result);
  if (options.chart) writeFileSync(options.chart, chartOf(result));
  return rows.every((row) => row.errors === 0);
}

/** Rows by size: the embedded cluster starts afresh for each, so that no size pays for the space of another. */
function groupsOf({ sizes, connections, scenarios, largeNames, deleteNames, target }: RunOptions): RowPlan[][] {
  const groups = sizes.map((sizeBytes, index) => {
    const most = sizeBytes >= LARGE_BYTES ? LARGE_CONNECTIONS_MAX : Number.POSITIVE_INFINITY;
    const counts = [...new Set(connections.map((count) => Math.min(count, most)))];
    const names = namesFor(sizeBytes);
    const fitting = Math.max(1, Math.floor(DELETE_BYTES_MAX / sizeBytes));
    const deletable = deleteNames ?? Math.min(fitting, target === 'embedded' ? names * 20 : names);
    const kinds = scenarios.filter(
      (name) => name !== 'large' && (index === 0 || (name !== 'list' && name !== 'mixed')),
    );
    return kinds.flatMap((kind) =>
      counts.map((count): RowPlan => {
        const needed = { put: 0, delete: Math.max(deletable, count), list: 1000 }[kind as string] ?? names;
        const size = kind === 'list' ? 0 : sizeBytes;
        const label = kind === 'list' ? 'LIST 1000' : kind.toUpperCase();
        return { label, kind: kind as LoadKind, sizeBytes: size, connections: count, names: needed };
      }),
    );
  });
  if (scenarios.includes('large')) groups.push(largeNames.flatMap(pageRows));
  return groups;
}

function pageRows(names: number): RowPlan[] {
  return (['page', 'prefixes'] as const).map((kind) => {
    const label = `${kind === 'page' ? 'page of 1000' : '1000 prefixes'} of ${names}`;
    return { label, kind, sizeBytes: 0, connections: PAGE_CONNECTIONS, names };
  });
}

/** Enough that no cache of a request repeats it, few enough to write quickly. */
function namesFor(sizeBytes: number): number {
  if (sizeBytes < 64 << 10) return 1000;
  if (sizeBytes < MIB) return 400;
  return sizeBytes < LARGE_BYTES ? 100 : 8;
}

async function open(options: RunOptions): Promise<Opened> {
  if (options.target === 'embedded') {
    const { processes, directory: parent, api, port, profiles } = options;
    if (profiles) mkdirSync(profiles, { recursive: true });
    const places = { ...(parent ? { parent } : {}), ...(profiles ? { profiles: path.resolve(profiles) } : {}) };
    const cluster = await startEmbedded({ processes, ...places });
    return { store: new StoreUnderTest(await cluster.target(api, port), [cluster.pid], false), close: cluster.stop };
  }
  const roots = options.pidfile ? pidsOfFile(options.pidfile) : [];
  return { store: new StoreUnderTest(await remoteTarget(options), roots, true), close: async () => {} };
}

async function remoteTarget(options: RunOptions): Promise<Target> {
  const { api, token, user, key, accessKey, secretKey, region } = options;
  const url = options.target.replace(/\/$/, '');
  if (api === 's3') {
    if (!accessKey || !secretKey) throw new Error('S3 elsewhere needs --access-key and --secret-key');
    return { api, url, keys: { accessKeyId: accessKey, secretAccessKey: secretKey, region } };
  }
  if (token) return { api, url, token };
  if (!user || !key) throw new Error('Swift elsewhere needs --token, or --user and --key');
  return await swiftLogin(url, user, key);
}

function rowOf({ api, port, target }: RunOptions, plan: RowPlan, measured: Measured): Row {
  const { ops, windowSeconds, bodyBytes, server, errors, errorSamples, p50Ms, p99Ms, p999Ms } = measured;
  const where = target === 'embedded' && api === 's3' ? `s3:${port}` : api;
  const noOps = ops === 0 ? ['no request was answered in the window'] : [];
  return {
    name: `${where} ${plan.label}`,
    sizeBytes: plan.sizeBytes,
    connections: plan.connections,
    opsPerSecond: ops / windowSeconds,
    ...(bodyBytes > 0 ? { megabytesPerSecond: bodyBytes / windowSeconds / 1e6 } : {}),
    p50Ms,
    p99Ms,
    p999Ms: ops < FEW_OPS ? p99Ms : p999Ms,
    errors: errors + noOps.length,
    errorSamples: [...errorSamples, ...noOps],
    ...(server ? { cpuUsPerOp: server.cpuUsPerOp, pssMiB: server.pssBytes / MIB } : {}),
    ...(server && plan.kind === 'put' && bodyBytes > 0 ? { diskBytesPerByte: server.diskBytes / bodyBytes } : {}),
    clientCpuUsPerOp: measured.clientCpuUs / Math.max(1, ops),
    otherCpuShare: measured.otherCpuShare,
  };
}
