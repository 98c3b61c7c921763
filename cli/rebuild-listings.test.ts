/** Listings that lost rows, kept strays, or are missing from a disk are made anew from the objects, and are right again. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { MAX_STAMP } from '../fabric/stamp.ts';
import { encodeHead, FLAG_TOMBSTONE, isTombstone, KIND, keyKind } from '../object-server/contract.ts';
import { Bench } from '../test/crash/campaign.ts';
import { Client } from '../test/crash/client.ts';
import { CrashServer } from '../test/crash/server.ts';
import { bury, later, Patient, writeCluster } from '../test/disk-surgery.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const COMMAND_MS = 60_000;
const OBJECTS = 40;
t.setTimeout(170_000);

function command(...args: string[]) {
  const run = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: COMMAND_MS });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

const listings = ['/crash-a?format=json', '/crash-b?format=json', '/crash-c?format=json', '?format=json'];

/** What a client is shown of every container and of the account. */
async function shown(client: Client): Promise<Record<string, unknown>[][]> {
  const pages: Record<string, unknown>[][] = [];
  for (const place of listings) {
    const page = JSON.parse((await client.ask('GET', place)).body.toString()) as Record<string, unknown>[];
    // When an account heard of a change is its own business.
    pages.push(page.map(({ last_modified, ...row }) => (place === listings[3] ? row : { ...row, last_modified })));
  }
  return pages;
}

async function shownBy(data: string, bench: Bench): Promise<Record<string, unknown>[][]> {
  const server = new CrashServer({ directory: data, logFile: bench.logFile, processes: 'inline' });
  const client = new Client(data);
  try {
    await server.start();
    await client.login(server.url);
    const pages = await shown(client);
    await server.stop();
    return pages;
  } finally {
    client.close();
    await server.killAll();
  }
}

/** Takes away every row of every container on every disk, account rows too. */
async function buryAllRows(patient: Patient): Promise<void> {
  const stamp = later();
  await patient.operate(
    patient.devices.map((_, id) => id),
    async (device) => {
      const heads: Buffer[] = [];
      device.forEach({ start: '\x01', end: '\x02' }, (key, { head }) => {
        const isRow = keyKind(key) === KIND.row || keyKind(key) === KIND.accountRow;
        if (isRow && !isTombstone(head)) heads.push(encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE }));
      });
      await device.apply(
        heads.map((head) => ({ head })),
        { writer: 7, settled: MAX_STAMP },
      );
    },
  );
}

t.test('rebuild-listings', async (t) => {
  const bench = new Bench();
  const healthy = new Patient(bench.data);
  t.teardown(() => bench.remove());
  let before: Record<string, unknown>[][] = [];
  await writeCluster(bench, async (client) => {
    for (let i = 0; i < OBJECTS; i++) await client.ask('PUT', `/crash-a/${i}`, Buffer.alloc(i * 10, i));
    await client.ask('PUT', '/crash-b/gr%C3%B6%C3%9Fer', Buffer.alloc(200_000, 1));
    for (let i = 0; i < OBJECTS; i += 4) await client.ask('DELETE', `/crash-a/${i}`);
  });
  before = await shownBy(bench.data, bench);
  t.equal(before[0]?.length, OBJECTS * 0.75);

  await t.test('a healthy cluster stays as it is', async (t) => {
    const { code, out } = command('rebuild-listings', healthy.data);
    t.equal(code, 0);
    t.match(out, /^31 objects in 3 containers: 0 rows written anew, 0 removed, 0 copies stored/);
    t.equal(command('fsck', healthy.data).code, 0);
  });

  const damages: Record<string, (patient: Patient) => Promise<void>> = {
    'one row lost everywhere': (patient) => bury(patient, { kind: KIND.row, name: '17' }, 3),
    'all rows lost': buryAllRows,
    'a row on one disk differs': (patient) => bury(patient, { kind: KIND.row, name: '18' }, 1),
  };
  for (const [name, damage] of Object.entries(damages)) {
    await t.test(name, async (t) => {
      const patient = healthy.clone(name.replaceAll(' ', '-'));
      t.teardown(() => patient.remove());
      await damage(patient);
      t.not(command('fsck', patient.data).code, 0, 'fsck sees it');
      const dry = command('rebuild-listings', '--dry-run', patient.data);
      t.equal(dry.code, 0, dry.err);
      t.match(dry.out, /[1-9]\d* rows to write anew/);
      const { code, out, err } = command('rebuild-listings', patient.data);
      t.equal(code, 0, err);
      t.match(out, /[1-9]\d* rows written anew/);
      const after = command('fsck', patient.data);
      t.equal(after.code, 0, after.out);
      t.match(
        command('rebuild-listings', patient.data).out,
        /: 0 rows written anew, 0 removed, 0 copies/,
        'once is enough',
      );
      t.same(await shownBy(patient.data, bench), before, 'clients see what they saw before');
    });
  }

  await t.test('a row whose object is gone', async (t) => {
    const patient = healthy.clone('stray');
    t.teardown(() => patient.remove());
    await bury(patient, { kind: KIND.object, name: '21' }, 3);
    t.match(command('fsck', patient.data).out, /row without object/);
    t.match(command('rebuild-listings', patient.data).out, /1 rows written anew, 1 removed/);
    t.equal(command('fsck', patient.data).code, 0);
    const pages = await shownBy(patient.data, bench);
    t.same(
      pages[0],
      before[0]?.filter((row) => row['name'] !== '21'),
    );
  });

  await t.test('a disk that is gone is named, and the others are put right', async (t) => {
    const patient = healthy.clone('less');
    t.teardown(() => patient.remove());
    await bury(patient, { kind: KIND.row, name: '17' }, 3);
    rmSync(patient.file(patient.devices[1] as string), { recursive: true });
    const { code, out, err } = command('rebuild-listings', patient.data);
    t.equal(code, 1);
    t.match(err, /not read: zone2/);
    t.match(out, /[1-9]\d* rows written anew/);
    t.notMatch(command('fsck', patient.data).out, /unlisted object/);
  });
});

t.test('what cannot be rebuilt', async (t) => {
  const bench = new Bench();
  t.teardown(() => bench.remove());
  t.match(command('rebuild-listings', `${bench.root}/nowhere`), { code: 3, err: /holds no cluster.json/ });
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, processes: 'inline' });
  await server.start();
  t.match(command('rebuild-listings', bench.data), { code: 3, err: /in use by process/ });
  t.equal(await server.stop(), 0);
});
