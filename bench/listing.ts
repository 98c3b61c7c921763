/**
 * `npm run bench -- listing`: listings on one real device (log and LMDB, everything in the index): CPU of a page of 1,000
 * rows and of a page of 1,000 common prefixes, at a small and a large number of names, and their ratio, which should stay
 * near one. Rows are stored by the engine itself, in large groups: the same ten million through HTTP would take an hour.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeRow, type ListArgs, tablePrefix } from '../account-container/contract.ts';
import { listPage } from '../account-container/listing.ts';
import { Totals } from '../account-container/totals.ts';
import { systemClock } from '../fabric/clock.ts';
import { openLmdb } from '../fabric/lmdb.ts';
import { systemRandom } from '../fabric/random.ts';
import { makeStamp } from '../fabric/stamp.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { encodeHead, type Mutation } from '../object-server/contract.ts';
import type { Device } from '../object-server/device.ts';
import { openDevice } from '../object-server/open-device.ts';
import { onEnd } from './cleanup.ts';
import { writeSections } from './document.ts';
import { positive } from './options.ts';
import { number } from './report.ts';
import { machineLine, writeResult } from './result-format.ts';

const PAGE = 1000;
const BATCH = 1000;
const BATCHES_IN_FLIGHT = 4;
/** Fewer have no page of 1,000 after every marker. */
const NAMES_MIN = 6000;
const PROGRESS_ROWS = 1_000_000;
/** Large over small, for each kind of page. */
const RATIO_MAX = 1.5;
const PREFIX = tablePrefix('0123456789abcdef', makeStamp(1, 1), 0);
const META = encodeRow({
  sizeBytes: 4096,
  etag: 'd41d8cd98f00b204e9800998ecf8427e',
  contentType: 'application/octet-stream',
});

/** Names in 1,000 directories and at the top: `dir-0042/object-…` and `object-…`, half each. */
function nameOf(i: number): string {
  const number = String(i >> 1).padStart(8, '0');
  return i % 2 === 0 ? `object-${number}` : `dir-${String((i >> 1) % PAGE).padStart(4, '0')}/object-${number}`;
}

interface Store {
  readonly device: Device;
  readonly totals: Totals;
  close(): Promise<void>;
}

async function fill(count: number, parent: string): Promise<Store> {
  const directory = mkdtempSync(join(parent, 'needletail-bench-listing-'));
  const remove = onEnd(async () => rmSync(directory, { recursive: true, force: true }));
  const startMs = performance.now();
  const totals = new Totals();
  const device = await openDevice({
    directory,
    deviceId: 1,
    clusterId: '0'.repeat(32),
    disk: systemDisk,
    openKv: (path) => openLmdb({ path }),
    clock: systemClock,
    random: systemRandom,
    projections: [totals],
    limits: { reserveBytes: 0, reserveBytesMin: 0 },
  });
  const before = process.cpuUsage();
  // A few batches in flight: one is made while another is synced.
  const flying: Promise<unknown>[] = [];
  for (let i = 0; i < count; i += BATCH) {
    const settled = makeStamp(Math.max(0, i - BATCH * (BATCHES_IN_FLIGHT + 1)), 0);
    flying.push(device.apply(batch(i, Math.min(count, i + BATCH)), { writer: 1, settled }));
    if (flying.length > BATCHES_IN_FLIGHT) await flying.shift();
    if (i > 0 && i % PROGRESS_ROWS === 0) console.log(`  ${i} rows after ${secondsSince(startMs)} s`);
  }
  await Promise.all(flying);
  await device.checkpoint();
  const { user, system } = process.cpuUsage(before);
  console.log(
    `${count} rows stored in ${secondsSince(startMs)} s, ${((user + system) / count).toFixed(1)} µs CPU each, encoding included`,
  );
  const close = async (): Promise<void> => {
    await device.close();
    await remove();
  };
  return { device, totals, close };
}

function batch(from: number, to: number): Mutation[] {
  const mutations: Mutation[] = [];
  for (let i = from; i < to; i++) {
    const stamp = makeStamp(i + 2, 1);
    mutations.push({ head: encodeHead({ key: PREFIX + nameOf(i), ballot: stamp, stamp, meta: META }) });
  }
  return mutations;
}

interface Scenario {
  readonly label: string;
  args(random: number): Partial<ListArgs>;
}

const scenarios: readonly Scenario[] = [
  {
    label: 'page of 1,000 rows from a random marker',
    args: (random) => ({ prefix: 'object-', marker: nameOf(random * 2) }),
  },
  {
    label: 'the same, backwards',
    args: (random) => ({ prefix: 'object-', marker: nameOf(random * 2), reverse: true }),
  },
  { label: '1,000 common prefixes', args: () => ({ prefix: 'dir-', delimiter: '/' }) },
  { label: 'the same, backwards', args: () => ({ prefix: 'dir-', delimiter: '/', reverse: true }) },
];

const none = { prefix: '', delimiter: '', marker: '', endMarker: '', limit: PAGE, reverse: false };

/** CPU µs per entry, best of several runs: the machine is shared. */
function measure({ device, totals }: Store, scenario: Scenario, count: number): number {
  const random = (): number => PAGE + systemRandom.below(Math.floor(count / 2) - 2 * PAGE);
  const run = (rounds: number): number => {
    const before = process.cpuUsage();
    for (let i = 0; i < rounds; i++) {
      const args = { device: 1, rowPrefix: PREFIX, ...none, ...scenario.args(random()) };
      const page = listPage(device, totals, args, { tombstones: false });
      if (page.entries.length !== PAGE) throw new Error(`${scenario.label}: ${page.entries.length} entries`);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / rounds / PAGE;
  };
  run(30);
  return Math.min(...Array.from({ length: 7 }, () => run(20)));
}

const secondsSince = (startMs: number): string => ((performance.now() - startMs) / 1000).toFixed(0);

export const LISTING_HELP = `npm run bench -- listing [options]
  --small N --large N   names in the two containers, default 10000 and 10000000
  --dir DIR             where the device lies while it is measured
  --out FILE.json       what was measured; --write-docs: the table into docs/benchmarks.md
exit 1 when a page of the large one costs more than ${RATIO_MAX} of the small one's
`;

interface Cost {
  readonly label: string;
  /** µs CPU per entry. */
  readonly smallUs: number;
  readonly largeUs: number;
}

export async function listing(args: readonly string[]): Promise<boolean> {
  const text = { type: 'string' } as const;
  const options = { small: text, large: text, dir: text, out: text, 'write-docs': { type: 'boolean' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const counts = [positive('small', values.small ?? '10000'), positive('large', values.large ?? '10000000')] as const;
  if (Math.min(...counts) < NAMES_MIN) throw new Error(`--small and --large are at least ${NAMES_MIN}`);
  const costs: Cost[] = [];
  const [small, large] = [await costsAt(counts[0], values.dir), await costsAt(counts[1], values.dir)];
  scenarios.forEach(({ label }, i) => costs.push({ label, smallUs: small[i] ?? 0, largeUs: large[i] ?? 0 }));
  const table = tableOf(counts, costs);
  console.log(`\n${table}`);
  const date = new Date().toISOString();
  const machine = machineLine();
  const result = { date, machine, names: counts, costs };
  if (values.out) writeResult(values.out, result);
  if (values['write-docs']) writeSections({ listing: `${date.slice(0, 10)}, ${machine}.\n\n${table}` });
  return costs.every(({ smallUs, largeUs }) => largeUs / smallUs <= RATIO_MAX);
}

async function costsAt(count: number, parent = tmpdir()): Promise<number[]> {
  const store = await fill(count, parent);
  try {
    return scenarios.map((scenario) => measure(store, scenario, count));
  } finally {
    await store.close();
  }
}

function tableOf([small, large]: readonly [number, number], costs: readonly Cost[]): string {
  const lines = costs.map(
    ({ label, smallUs, largeUs }) =>
      `| ${label} | ${number(smallUs)} | ${number(largeUs)} | ${number(largeUs / smallUs)} | ${largeUs / smallUs <= RATIO_MAX ? 'yes' : 'no'} |`,
  );
  return [
    `| µs CPU per entry of a page of ${PAGE} | ${small} names | ${large} names | ratio | ≤ ${RATIO_MAX} |`,
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
