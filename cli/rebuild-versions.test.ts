/**
 * `needletail rebuild-listings` and `needletail fsck` know versions, what expires and what has lifecycle rules: rows of any
 * of these tables that are lost are found missing, and made anew from the registers.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { PutBucketLifecycleConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import { MAX_STAMP } from '../fabric/stamp.ts';
import { encodeHead, FLAG_TOMBSTONE, isTombstone, KIND, keyKind, REST_AT, TABLE } from '../object-server/contract.ts';
import { Bench, prepare } from '../test/crash/campaign.ts';
import { Client } from '../test/crash/client.ts';
import { untilQuiet } from '../test/crash/quiet.ts';
import { CrashServer } from '../test/crash/server.ts';
import { later, Patient } from '../test/disk-surgery.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const COMMAND_MS = 60_000;
const QUIET_LIMIT_MS = 30_000;
const TABLE_AT = REST_AT + 2;
/** Seconds; long after this test. */
const LATE = 4_000_000_000;
t.setTimeout(170_000);

function command(...args: string[]) {
  const run = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: COMMAND_MS });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

async function withCluster<T>(
  bench: Bench,
  data: string,
  work: (client: Client, url: string) => Promise<T>,
): Promise<T> {
  const server = new CrashServer({ directory: data, logFile: bench.logFile, processes: 'inline' });
  const client = new Client(data);
  try {
    await server.start();
    await client.login(server.url);
    const result = await work(client, server.url);
    const owed = await untilQuiet(client, QUIET_LIMIT_MS);
    if (owed.length > 0) throw new Error(`the cluster does not come to rest: ${owed.join(', ')}`);
    await server.stop();
    return result;
  } finally {
    client.close();
    await server.killAll();
  }
}

async function fill(client: Client, url: string, data: string): Promise<void> {
  await prepare(client, url);
  await client.askWith('POST', '/crash-a', { 'X-Versions-Enabled': 'true' });
  const put = async (name: string, body: Buffer, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await client.askWith('PUT', `/crash-a/${name}`, headers, body);
    if (answer.status !== 201) throw new Error(`PUT ${name}: ${answer.status}`);
    return String(answer.headers['x-object-version-id']);
  };
  for (let i = 0; i < 5; i++) await put('five', Buffer.alloc(100 + i, i));
  await put('large', Buffer.alloc(200_000, 1));
  await put('large', Buffer.alloc(100_000, 2));
  await put('gone', Buffer.alloc(10, 1));
  await client.ask('DELETE', '/crash-a/gone');
  await put('back', Buffer.alloc(1_000, 1));
  const newest = await put('back', Buffer.alloc(2_000, 2));
  await client.ask('DELETE', `/crash-a/back?version-id=${newest}`);
  const first = await put('restored', Buffer.alloc(3_000, 1));
  await put('restored', Buffer.alloc(4_000, 2));
  await client.ask('PUT', `/crash-a/restored?version-id=${first}`);
  await put('expiring', Buffer.alloc(7, 1), { 'X-Delete-At': String(LATE) });
  const { s3 } = JSON.parse(readFileSync(path.join(data, 'credentials.json'), 'utf8'));
  const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
  const sdk = new S3Client({ endpoint: url, region: 'us-east-1', forcePathStyle: true, credentials });
  const Rules = [{ ID: 'one', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 365 } }];
  await sdk.send(new PutBucketLifecycleConfigurationCommand({ Bucket: 'crash-b', LifecycleConfiguration: { Rules } }));
  sdk.destroy();
}

/** What a client is shown of the versioned container and of the account. */
async function shown(client: Client): Promise<unknown> {
  const list = async (place: string): Promise<unknown> => JSON.parse((await client.ask('GET', place)).body.toString());
  const { headers } = await client.ask('HEAD', '/crash-a');
  const containers = (await list('?format=json')) as Record<string, unknown>[];
  return {
    current: await list('/crash-a?format=json'),
    versions: await list('/crash-a?versions&format=json'),
    bytes: headers['x-container-bytes-used'],
    count: headers['x-container-object-count'],
    account: containers.map(({ last_modified, ...row }) => row),
  };
}

/** Takes the rows of a table away, on every disk. */
async function buryRows(patient: Patient, table: number): Promise<number> {
  const stamp = later();
  let buried = 0;
  const ids = patient.devices.map((_, id) => id);
  await patient.operate(ids, async (device) => {
    const heads: Buffer[] = [];
    device.forEach({ start: '\x01', end: '\x02' }, (key, { head }) => {
      if (keyKind(key) !== KIND.row || key.charCodeAt(TABLE_AT) !== table || isTombstone(head)) return;
      heads.push(encodeHead({ key, ballot: stamp, stamp, flags: FLAG_TOMBSTONE }));
    });
    buried += heads.length;
    await device.apply(
      heads.map((head) => ({ head })),
      { writer: 7, settled: MAX_STAMP },
    );
  });
  return buried;
}

t.test('versions, expiry and lifecycle', async (t) => {
  const bench = new Bench();
  const healthy = new Patient(bench.data);
  t.teardown(() => bench.remove());
  await withCluster(bench, bench.data, (client, url) => fill(client, url, bench.data));
  const before = await withCluster(bench, bench.data, shown);
  // five 510, large 300,000, gone 10, back 1,000, restored 7,000, expiring 7: each once, wherever it lies.
  t.match(before, { bytes: '308527', count: '4' });

  await t.test('a healthy cluster stays as it is', async (t) => {
    const sound = command('fsck', healthy.data);
    t.equal(sound.code, 0, sound.out);
    const { out } = command('rebuild-listings', healthy.data);
    t.match(out, /^4 objects in 3 containers: 0 rows written anew, 0 removed, 0 copies stored/);
  });

  await t.test('rows of all tables lost', async (t) => {
    const patient = healthy.clone('lost');
    t.teardown(() => patient.remove());
    let buried = 0;
    for (const table of [TABLE.current, TABLE.versions, TABLE.expiring]) {
      const copies = await buryRows(patient, table);
      t.ok(copies > 0, `${copies} copies of rows taken away`);
      buried += copies;
    }
    t.match(command('fsck', patient.data).out, /unlisted object: \d+(.|\n)*not scheduled: 2/, 'fsck sees it');
    const { code, out, err } = command('rebuild-listings', patient.data);
    t.equal(code, 0, err);
    t.match(out, new RegExp(`: ${buried / 3} rows written anew, 0 removed`));
    const after = command('fsck', patient.data);
    t.equal(after.code, 0, after.out);
    t.match(command('rebuild-listings', patient.data).out, /: 0 rows written anew, 0 removed, 0 copies/);
    t.same(await withCluster(bench, patient.data, shown), before, 'clients see what they saw before');
  });
});
