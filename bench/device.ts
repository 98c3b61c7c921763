/**
 * What one device costs: CPU per 4 KiB put with 64 in flight, per get, per listed row, and the start after an abrupt end.
 * `node build/bench/device.js [--directory DIR] [--puts N] [--body BYTES] [--start RECORDS]`. CPU is this process's, all
 * threads: the machine may be noisy, CPU is less so.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../fabric/clock.ts';
import { md5Hex } from '../fabric/hash.ts';
import { openLmdb } from '../fabric/lmdb.ts';
import { systemRandom } from '../fabric/random.ts';
import { makeStamp } from '../fabric/stamp.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import {
  encodeHead,
  type Key,
  KIND,
  type Mutation,
  makeKey,
  packHex,
  rowRest,
  TABLE,
} from '../object-server/contract.ts';
import type { Device } from '../object-server/device.ts';
import { openDevice } from '../object-server/open-device.ts';

const IN_FLIGHT = 64;
const META = Buffer.alloc(180, 'm');
const ROW_META = Buffer.alloc(90, 'r');
const incarnation = makeStamp(1, 1);

const { values: options } = parseArgs({
  options: {
    directory: { type: 'string' },
    puts: { type: 'string', default: '100000' },
    body: { type: 'string', default: '4096' },
    start: { type: 'string' },
  },
});
const parent = options.directory ?? mkdtempSync(join(tmpdir(), 'needletail-bench-'));
const body = systemRandom.bytes(Number(options.body));

const open = (): Promise<Device> =>
  openDevice({
    directory: join(parent, 'device'),
    deviceId: 1,
    clusterId: 'ab'.repeat(16),
    disk: systemDisk,
    openKv: (path) => openLmdb({ path }),
    clock: systemClock,
    random: systemRandom,
  });

const keyOf = (number: number): Key => makeKey(packHex(md5Hex(`/a/c/object-${number}`)), incarnation, KIND.object);
const containerHash = packHex(md5Hex('/a/c'));
const rowKey = (number: number): Key =>
  makeKey(containerHash, incarnation, KIND.row, rowRest(TABLE.current, `object-${String(number).padStart(9, '0')}`));

/** Made before the clock runs: at the proxy's expense. */
function mutation(number: number, ballot: number, row: boolean): Mutation {
  const stamp = makeStamp(ballot, 1);
  if (row) return { head: encodeHead({ key: rowKey(number), ballot: stamp, stamp, meta: ROW_META }) };
  return { head: encodeHead({ key: keyOf(number), ballot: stamp, stamp, meta: META, body }), body };
}

async function measure(name: string, count: number, run: () => Promise<void> | void): Promise<void> {
  const startMs = performance.now();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  const wallMs = performance.now() - startMs;
  const cpu = ((user + system) / count).toFixed(2);
  console.log(`${name.padEnd(34)} ${cpu.padStart(8)} µs CPU  ${Math.round((count / wallMs) * 1000)}/s`);
}

async function puts(device: Device, from: number, to: number, row: boolean): Promise<void> {
  const prepared: Mutation[] = [];
  for (let i = from; i < to; i++) prepared.push(mutation(i, i + 2, row));
  await measure(row ? 'put row' : `put ${body.length} B`, prepared.length, async () => {
    let next = 0;
    const client = async (): Promise<void> => {
      while (next < prepared.length) {
        const index = next++;
        const settled = makeStamp(Math.max(1, from + index - IN_FLIGHT), 1);
        await device.apply([prepared[index] as Mutation], { writer: 1, settled });
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, client));
  });
}

async function gets(device: Device, name: string, keys: readonly Key[]): Promise<void> {
  await measure(name, keys.length, async () => {
    for (const key of keys) {
      const result = device.read(key, true);
      if (result instanceof Promise) await result;
    }
  });
}

async function start(device: Device, records: number): Promise<void> {
  for (let from = 0; from < records; from += 50_000)
    await puts(device, 1e6 + from, 1e6 + Math.min(records, from + 50_000), false);
  await device.abandon();
  const startMs = performance.now();
  const again = await open();
  console.log(`start with ${records} records, abruptly ended: ${Math.round(performance.now() - startMs)} ms`);
  await again.close();
}

const count = Number(options.puts);
const device = await open();
try {
  for (let from = 0; from < count; from += 20_000) await puts(device, from, Math.min(count, from + 20_000), false);
  await puts(device, 0, Math.min(count, 20_000), true);
  const recent = Array.from({ length: 10_000 }, (_, i) => keyOf(count - 1 - i));
  await gets(device, 'get, newest', recent);
  await device.checkpoint();
  await gets(
    device,
    'get, from the index',
    Array.from({ length: 20_000 }, () => keyOf(systemRandom.below(count))),
  );
  await gets(
    device,
    'get, absent',
    Array.from({ length: 20_000 }, (_, i) => keyOf(1e8 + i)),
  );
  await measure('row listed', 20_000, () => {
    let rows = 0;
    device.forEach({ start: rowKey(0), end: rowKey(999_999_999) }, () => ++rows < 20_000);
  });
  const { tail, logBytes } = device.status();
  console.log(
    `log ${(logBytes / 1e6).toFixed(0)} MB, tail ${tail}, rss ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`,
  );
  if (options.start) await start(device, Number(options.start));
  else await device.close();
} finally {
  if (!options.directory) rmSync(parent, { recursive: true, force: true });
}
