/** Every kind of damage is planted in a copy of a healthy cluster, and `needletail fsck` must name it, and how bad it is. */
import { spawnSync } from 'node:child_process';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { NO_STAMP } from '../fabric/stamp.ts';
import { encodeHead, headMeta, KIND } from '../object-server/contract.ts';
import { Bench } from '../test/crash/campaign.ts';
import { CrashServer } from '../test/crash/server.ts';
import { bury, keyOf, later, Patient, writeCluster } from '../test/disk-surgery.ts';
import type { Report } from './fsck/inspect.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const FSCK_MS = 60_000;
t.setTimeout(170_000);

const random = createSeededRandom(11);
const SMALL = random.bytes(3_000);
const LARGE = random.bytes(300_000);

const bench = new Bench();
const healthy = new Patient(bench.data);
t.teardown(() => bench.remove());

function fsck(data: string, ...options: string[]) {
  const run = spawnSync(process.execPath, [MAIN, 'fsck', data, ...options], { encoding: 'utf8', timeout: FSCK_MS });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

interface Expected {
  readonly code: 0 | 1 | 2;
  /** What must be found, by category. Nothing else that is bad or degraded may be, unless it is in `maybe`. */
  readonly found: Readonly<Record<string, RegExp>>;
  readonly maybe?: readonly string[];
}

function check(t: Test, patient: Patient, { code, found, maybe = [] }: Expected): void {
  const run = fsck(patient.data, '--json');
  const report = JSON.parse(run.out) as Report;
  const findings = report.findings as Record<string, string[]>;
  t.equal(run.code, code, 'exit code');
  for (const [category, words] of Object.entries(found)) {
    t.ok(
      findings[category]?.some((finding) => words.test(finding)),
      `${category}: ${words}`,
      { findings },
    );
  }
  const known = [...Object.keys(found), ...maybe];
  t.same(
    Object.keys(findings).filter((category) => !known.includes(category)),
    [],
    'nothing else',
    { findings },
  );
}

/** Plants something in a copy and looks at it. */
function plant(name: string, surgery: (patient: Patient) => void | Promise<void>, expected: Expected): void {
  t.test(name, async (t) => {
    const patient = healthy.clone(String(Math.trunc(performance.now() * 1000)));
    t.teardown(() => patient.remove());
    await surgery(patient);
    check(t, patient, expected);
  });
}

t.before(async () => {
  await writeCluster(bench, async (client) => {
    await client.ask('PUT', '/crash-a/small', SMALL);
    await client.ask('PUT', '/crash-a/large', LARGE);
    for (let i = 0; i < 30; i++) await client.ask('PUT', `/crash-b/${i}`, Buffer.alloc(500, i));
    await client.ask('DELETE', '/crash-b/7');
  });
});

t.test('a healthy cluster', async (t) => {
  const { code, out } = fsck(healthy.data);
  t.equal(code, 0, out);
  t.match(out, /^all at target: 5 devices, \d+ records, 3 chunks, 31 objects in 3 containers; no findings\n$/);
  t.equal(fsck(healthy.data).out, out, 'looking changes nothing');
});

const SMALL_NAME = /AUTH_\w+\/crash-a\/small/;
const LARGE_NAME = /AUTH_\w+\/crash-a\/large/;
const INDEX_TOO = ['damaged', 'wrong totals'];

plant('a byte of a log frame flips', (patient) => patient.flip(patient.find('log', SMALL)[0] as never), {
  code: 1,
  found: { damaged: SMALL_NAME, 'below target': /small: 2 of 3 primaries/ },
  maybe: INDEX_TOO,
});

plant('the same byte on every replica', (patient) => patient.find('log', SMALL).forEach((at) => patient.flip(at)), {
  code: 2,
  found: {
    damaged: /damaged record/,
    lost: /its only record is damaged/,
    'unfinished listing': SMALL_NAME,
  },
});

plant(
  'a byte of a bulk chunk flips',
  (patient) => patient.flip(patient.find('bulk', LARGE.subarray(0, 64))[0] as never),
  {
    code: 1,
    found: { damaged: /chunk 0/, 'blob below target': LARGE_NAME },
  },
);

plant(
  'a chunk is damaged on every replica',
  (patient) => patient.find('bulk', LARGE.subarray(0, 64)).forEach((at) => patient.flip(at)),
  { code: 2, found: { damaged: /chunk 0/, lost: LARGE_NAME } },
);

plant('a log segment is deleted', (patient) => rmSync(patient.find('log', SMALL)[0]?.file ?? ''), {
  code: 1,
  found: { damaged: /where the log has nothing/, 'below target': SMALL_NAME },
  maybe: INDEX_TOO,
});

plant('a bulk segment is deleted', (patient) => rmSync(patient.find('bulk', LARGE.subarray(0, 64))[0]?.file ?? ''), {
  code: 1,
  found: { damaged: /no such segment/, 'blob below target': LARGE_NAME },
});

plant(
  'a log segment loses its end',
  (patient) => {
    const { file = '', at = 0 } = patient.find('log', SMALL)[0] ?? {};
    truncateSync(file, at);
  },
  {
    code: 1,
    found: { damaged: /where the log has nothing/, 'below target': SMALL_NAME },
    maybe: ['torn tail', ...INDEX_TOO],
  },
);

plant(
  'the index is gone',
  (patient) => rmSync(patient.file(patient.devices[0] as string, 'index'), { recursive: true }),
  {
    code: 1,
    found: { damaged: /index/ },
    maybe: ['wrong totals'],
  },
);

plant('a whole disk is gone', (patient) => rmSync(patient.file(patient.devices[0] as string), { recursive: true }), {
  code: 2,
  found: { 'unreadable disk': /./, 'below target': /2 of 3 primaries/ },
  maybe: ['blob below target', 'damaged'],
});

plant(
  'a disk of another cluster',
  (patient) => {
    const file = patient.file(patient.devices[2] as string, 'device.json');
    writeFileSync(file, 'not one of ours');
  },
  { code: 2, found: { 'unreadable disk': /./, 'below target': /2 of 3 primaries/ }, maybe: ['blob below target'] },
);

plant('a replica never heard of a deletion', (patient) => bury(patient, { kind: KIND.object, name: 'small' }, 2), {
  code: 1,
  found: { 'stale tombstone': SMALL_NAME, 'row without object': SMALL_NAME },
});

plant('an object vanishes, and its row stays', (patient) => bury(patient, { kind: KIND.object, name: 'small' }, 3), {
  code: 1,
  found: { 'row without object': SMALL_NAME },
});

plant('a row is dropped everywhere', (patient) => bury(patient, { kind: KIND.row, name: 'small' }, 3), {
  code: 2,
  found: { 'unlisted object': SMALL_NAME, 'account totals': /crash-a/ },
});

plant(
  'a replica misses an overwrite',
  async (patient) => {
    const stamp = later();
    let left = 2;
    await patient.operate(
      patient.devices.map((_, id) => id),
      async (device) => {
        const key = keyOf(device, KIND.object, 'small');
        if (key === undefined || left-- <= 0) return;
        const meta = Buffer.from(headMeta(device.get(key)?.head as Buffer));
        const head = encodeHead({ key, ballot: stamp, stamp, meta, body: SMALL });
        await device.apply([{ head, body: SMALL }], { writer: 7, settled: NO_STAMP });
      },
    );
  },
  { code: 1, found: { 'below target': /small: 2 of 3 primaries/ } },
);

t.test('what cannot be checked', async (t) => {
  t.match(fsck(path.join(bench.root, 'nowhere')), { code: 3, err: /holds no cluster.json/ });
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, processes: 'inline' });
  await server.start();
  t.match(fsck(bench.data), { code: 3, err: /in use by process \d+: stop it first/ });
  t.equal(await server.stop(), 0);
  t.equal(fsck(bench.data).code, 0, 'a stopped one can be checked again');
  t.equal(fsck('--nonsense').code, 3);
});
