/**
 * Listings on one real device (log and LMDB, everything in the index): CPU of a page of 1,000 rows and of a page of 1,000
 * common prefixes, at a small and a large number of names, and their ratio, which should stay near one. Run it with
 * `node build/bench/listing.js [small names] [large names]`; 10,000 and 1,000,000 by default.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

const PAGE = 1000;
const BATCH = 1000;
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

async function fill(count: number): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), 'needletail-bench-listing-'));
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
  for (let i = 0; i < count; i += BATCH) {
    const mutations: Mutation[] = [];
    for (let j = i; j < Math.min(count, i + BATCH); j++) {
      const stamp = makeStamp(j + 2, 1);
      mutations.push({ head: encodeHead({ key: PREFIX + nameOf(j), ballot: stamp, stamp, meta: META }) });
    }
    await device.apply(mutations, { writer: 1, settled: makeStamp(i, 0) });
  }
  await device.checkpoint();
  const { user, system } = process.cpuUsage(before);
  console.log(`${count} rows stored, ${((user + system) / count).toFixed(1)} us CPU each, encoding included`);
  const close = async (): Promise<void> => {
    await device.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { device, totals, close };
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

const [small = 10_000, large = 1_000_000] = process.argv.slice(2).map(Number);
const results: number[][] = scenarios.map(() => []);
for (const count of [small, large]) {
  const store = await fill(count);
  try {
    scenarios.forEach((scenario, i) => void results[i]?.push(measure(store, scenario, count)));
  } finally {
    await store.close();
  }
}
console.log(
  `us CPU per entry of a page of ${PAGE}`.padEnd(50),
  `${small}`.padStart(10),
  `${large}`.padStart(10),
  'ratio'.padStart(7),
);
scenarios.forEach(({ label }, i) => {
  const [a = 0, b = 0] = results[i] ?? [];
  console.log(label.padEnd(50), a.toFixed(2).padStart(10), b.toFixed(2).padStart(10), (b / a).toFixed(2).padStart(7));
});
