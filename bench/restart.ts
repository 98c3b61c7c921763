/**
 * `npm run bench -- restart`: objects are stored, everything is killed with kill -9, and it is timed how long the cluster
 * takes to be ready again, at several numbers of objects. The cost is to follow what the last checkpoint does not cover,
 * not what is stored; so both are shown.
 */
import { parseArgs } from 'node:util';
import { writeSections } from './document.ts';
import { directoryOfCluster, type Embedded, type EmbeddedOptions, startEmbedded } from './embedded.ts';
import type { LoadPlan } from './load/plan.ts';
import { runLoad } from './load/run-load.ts';
import { list, oneOf, parseSize, positive, sizeText } from './options.ts';
import { number } from './report.ts';
import { machineLine, writeResult } from './result-format.ts';
import { makeContainer } from './target.ts';

const CONNECTIONS = 64;
const FILL_SECONDS_MAX = 3600;
const CHECK_SECONDS = 2;
/** The load generator prepares a request for each. */
const CHECK_NAMES_MAX = 50_000;

export const RESTART_HELP = `npm run bench -- restart [options]
  --objects LIST        stored in total before each kill, rising; default 10000,100000,1000000
  --size SIZE           of each, default 1k
  --processes inline|zones  of the cluster, default inline
  --dir DIR             where the cluster keeps its data while it runs
  --out FILE.json       what was measured; --write-docs: the table into docs/benchmarks.md
`;

interface Restart {
  readonly objects: number;
  /** Records of all devices behind their last checkpoint, replayed at the start. */
  readonly replayedRecords: number;
  readonly readyMs: number;
  readonly readErrors: number;
}

export async function restart(args: readonly string[]): Promise<boolean> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { objects: text, size: text, processes: text, dir: text, out: text, 'write-docs': { type: 'boolean' } },
  });
  const counts = list(values.objects ?? '10000,100000,1000000').map((one) => positive('objects', one));
  const sizeBytes = parseSize(values.size ?? '1k');
  const processes = oneOf('processes', values.processes ?? 'inline', ['inline', 'zones'] as const);
  const directory = directoryOfCluster(values.dir);
  const cluster: EmbeddedOptions = { processes, directory: directory.path };
  const emptyMs = await emptyStart(cluster);
  console.log(`ready after ${number(emptyMs)} ms with nothing stored`);
  const restarts = await restartsAt(counts, sizeBytes, cluster);
  await directory.remove();
  const date = new Date().toISOString();
  const machine = machineLine();
  const result = { date, machine, processes, sizeBytes, emptyMs, restarts };
  if (values.out) writeResult(values.out, result);
  const made = `${date.slice(0, 10)}, ${machine}, cluster \`--processes ${processes}\`, objects of ${sizeText(sizeBytes)}; ready after ${number(emptyMs)} ms with nothing stored.`;
  if (values['write-docs']) writeSections({ restart: `${made}\n\n${tableOf(restarts)}` });
  return restarts.every(({ readErrors }) => readErrors === 0);
}

async function emptyStart(options: EmbeddedOptions): Promise<number> {
  const first = await startEmbedded(options);
  await first.stop();
  const second = await startEmbedded(options);
  await second.stop();
  return second.readyMs;
}

async function restartsAt(
  counts: readonly number[],
  sizeBytes: number,
  options: EmbeddedOptions,
): Promise<readonly Restart[]> {
  const restarts: Restart[] = [];
  let cluster = await startEmbedded(options);
  let stored = 0;
  for (const objects of counts) {
    if (objects <= stored) throw new Error('--objects must rise');
    const container = `needletail-bench-${objects}`;
    const names = objects - stored;
    await fill(cluster, { container, sizeBytes, names });
    stored = objects;
    await cluster.kill();
    cluster = await startEmbedded(options);
    const { readyMs } = cluster;
    const readErrors = await readSome(cluster, { container, sizeBytes, names });
    const one: Restart = { objects, replayedRecords: replayedRecords(cluster.log()), readyMs, readErrors };
    restarts.push(one);
    console.log(
      `${objects} objects: killed, ready after ${number(readyMs)} ms, ${one.replayedRecords} records replayed, ${readErrors} read errors`,
    );
  }
  await cluster.stop();
  return restarts;
}

type Filled = Pick<LoadPlan, 'container' | 'sizeBytes' | 'names'>;

async function fill(cluster: Embedded, filled: Filled): Promise<void> {
  const target = await cluster.target('swift', 'all');
  await makeContainer(target, filled.container);
  const rest = { tag: 't', connections: CONNECTIONS, warmupSeconds: 0, seconds: FILL_SECONDS_MAX };
  const { errors, errorSamples, ops, windowSeconds } = await runLoad({ target, kind: 'fill', ...rest, ...filled }, []);
  if (errors > 0) throw new Error(`storing failed: ${errorSamples.join('; ')}`);
  console.log(`${filled.names} objects stored in ${number(windowSeconds)} s, ${number(ops / windowSeconds)}/s`);
}

/** Names at random among those acknowledged before the kill. */
async function readSome(cluster: Embedded, filled: Filled): Promise<number> {
  const target = await cluster.target('swift', 'all');
  const names = Math.min(filled.names, CHECK_NAMES_MAX);
  const rest = { tag: 't', connections: CONNECTIONS, warmupSeconds: 0, seconds: CHECK_SECONDS };
  const { errors, ops } = await runLoad({ target, kind: 'get', ...rest, ...filled, names }, []);
  return ops === 0 ? errors + 1 : errors;
}

function replayedRecords(log: string): number {
  const lines = log.split('\n').filter((line) => line.includes('"log replayed"'));
  return lines.reduce((sum, line) => sum + Number(/"records":(\d+)/.exec(line)?.[1] ?? 0), 0);
}

function tableOf(restarts: readonly Restart[]): string {
  const lines = restarts.map(
    ({ objects, replayedRecords: records, readyMs, readErrors }) =>
      `| ${objects} | ${number(readyMs / 1000)} | ${records} | ${readErrors} |`,
  );
  return [
    '| objects | ready after kill -9, s | records replayed, all devices | errors reading afterwards |',
    '| --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
