// Accounts that end in a real cluster: what S3 sees of it, what locks hold, delays, and a reaper that is killed.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { Bench } from '../crash/campaign.ts';
import { Client } from '../crash/client.ts';
import { runFsck } from '../crash/fsck.ts';
import { untilQuiet } from '../crash/quiet.ts';
import { CrashServer } from '../crash/server.ts';
import { type Both, openBoth } from './both-rig.ts';

const LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 100;
const DAY_MS = 86_400_000;
t.setTimeout(230_000);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

async function until(what: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + LIMIT_MS; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    if (await what()) return true;
  }
  return false;
}

type Reseller = (method: string, path: string, body?: string, headers?: Record<string, string>) => Promise<Response>;

async function resellerOf(base: string, { user, key }: { user: string; key: string }): Promise<Reseller> {
  const login = await fetch(`${base}/auth/v1.0`, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
  const token = login.headers.get('x-auth-token') ?? '';
  return (method, path, body, headers = {}) =>
    fetch(`${base}/v1/${path}`, {
      method,
      headers: { 'x-auth-token': token, ...headers },
      ...(method === 'PUT' ? { body: body ?? '' } : {}),
    });
}

function resellerAt({ running }: Both): Promise<Reseller> {
  const { reseller } = running.credentials;
  if (!reseller) throw new Error('a new cluster has a reseller');
  return resellerOf(running.urls.everything, reseller.swift);
}

const statusOf = async (asked: Promise<Response>): Promise<number> => {
  const answer = await asked;
  await answer.arrayBuffer();
  return answer.status;
};

async function fill({ client }: Both): Promise<void> {
  await client.ask('PUT', '/kept-names');
  await client.ask('PUT', '/kept-names/a', { body: 'a' });
  await client.ask('PUT', '/kept-names/large', { body: 'x'.repeat(200_000) });
  await client.ask('PUT', '/kept-versions');
  const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await client.ask('PUT', '/kept-versions', { query: 'versioning', body: enabled });
  for (const body of ['1', '2', '3']) await client.ask('PUT', '/kept-versions/v', { body });
  await client.ask('DELETE', '/kept-versions/v');
  await client.ask('POST', '/kept-names/open', { query: 'uploads' });
}

t.test('while it waits to be reaped an account is out of reach, and its bucket names are free', async (t) => {
  const first = await openBoth(t, undefined, '[swift]\nreap-delay-s = 3600\n');
  await fill(first);
  const admin = await resellerAt(first);
  t.equal(await statusOf(admin('DELETE', 'AUTH_test')), 204);
  t.equal(await statusOf(admin('GET', 'AUTH_test')), 410);
  t.equal(await statusOf(first.swift('GET', '')), 410, 'for its owner, too');
  for (const path of ['/kept-names', '/kept-names/a', '/kept-versions/v']) {
    t.equal((await first.client.ask('GET', path)).status, 404, `S3: ${path}`);
    t.equal(await statusOf(first.swift('GET', path)), 404, `Swift: ${path}`);
  }
  const listed = await first.client.ask('GET', '/');
  t.match([listed.status, listed.text], [403, '<Code>AccountProblem</Code>']);
  const made = await first.client.ask('PUT', '/another-name');
  t.match([made.status, made.text], [403, '<Code>AccountProblem</Code>']);
  t.equal(await statusOf(first.swift('PUT', '/another', {}, '')), 404);
  const { stranger } = first.client;
  t.equal((await first.client.ask('PUT', '/kept-names', { user: stranger })).status, 200, 'the name is free');
  t.equal((await first.client.ask('PUT', '/kept-names/mine', { user: stranger, body: 'mine' })).status, 200);
  await first.close();

  const second = await openBoth(t, first.data);
  const again = await resellerAt(second);
  t.ok(await until(async () => (await statusOf(again('HEAD', 'AUTH_test'))) === 204), 'reaped after the restart');
  t.match(await second.client.ask('GET', '/'), { status: 200, text: '<Buckets></Buckets>' });
  t.equal(
    (await second.client.ask('GET', '/kept-names/mine', { user: stranger })).text,
    'mine',
    'it took nothing else',
  );
  t.equal(await statusOf(second.swift('PUT', '/kept-versions', {}, '')), 201);
  t.equal((await second.client.ask('GET', '/kept-versions/v')).status, 404);
  t.match((await second.client.ask('GET', '/kept-versions', { query: 'versions' })).text, /^(?!.*<Version>)/s);
  t.match((await second.client.ask('GET', '/kept-versions', { query: 'uploads' })).text, /^(?!.*<Upload>)/s);
});

t.test('what object lock holds is not reaped, nor is its account, until the lock has ended', async (t) => {
  const first = await openBoth(t);
  const { client } = first;
  const locked = { 'x-amz-bucket-object-lock-enabled': 'true' };
  t.equal((await client.ask('PUT', '/locked', { headers: locked })).status, 200);
  const md5 = createHash('md5').update('kept').digest('base64');
  const retained = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'content-md5': md5 };
  const until1 = { 'x-amz-object-lock-retain-until-date': new Date(Date.now() + DAY_MS).toISOString() };
  t.equal((await client.ask('PUT', '/locked/o', { headers: { ...retained, ...until1 }, body: 'kept' })).status, 200);
  await client.ask('PUT', '/locked/free', { body: 'free' });
  const admin = await resellerAt(first);
  t.equal(await statusOf(admin('DELETE', 'AUTH_test')), 204);
  // By the time that two others have been made, deleted and reaped, this one has been looked at.
  for (const other of ['AUTH_after', 'AUTH_later']) {
    t.equal(await statusOf(admin('PUT', `${other}/c`)), 201);
    t.equal(await statusOf(admin('DELETE', other)), 204);
    t.ok(await until(async () => (await statusOf(admin('HEAD', other))) === 204));
  }
  t.equal(await statusOf(admin('GET', 'AUTH_test')), 410);
  t.equal((await client.ask('GET', '/locked/o')).status, 404, 'out of reach');
});

t.test('a reaper that is killed goes on where it was', async (t) => {
  const bench = new Bench();
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, processes: 'inline' });
  t.teardown(async () => {
    await server.killAll();
    bench.remove();
  });
  await server.start();
  const { reseller } = JSON.parse(readFileSync(path.join(bench.data, 'credentials.json'), 'utf8'));
  const { user, key } = reseller.swift;
  let admin = await resellerOf(server.url, { user, key });
  const objects = Array.from({ length: 300 }, (_, i) => `AUTH_many/c${i % 3}/o${i}`);
  for (const i of [0, 1, 2]) t.equal(await statusOf(admin('PUT', `AUTH_many/c${i}`)), 201);
  for (let at = 0; at < objects.length; at += 20) {
    const made = objects.slice(at, at + 20).map((path, i) => statusOf(admin('PUT', path, 'x'.repeat(i * 10_000))));
    t.same([...new Set(await Promise.all(made))], [201]);
  }
  t.equal(await statusOf(admin('DELETE', 'AUTH_many')), 204);
  for (const afterMs of [30, 200]) {
    await sleep(afterMs);
    await server.killAll();
    await server.start();
    admin = await resellerOf(server.url, { user, key });
    t.equal(await statusOf(admin('GET', 'AUTH_many/c0')), 404, 'what was deleted stays out of reach');
  }
  t.ok(await until(async () => (await statusOf(admin('HEAD', 'AUTH_many'))) === 204), 'reaped');
  t.equal(await statusOf(admin('PUT', 'AUTH_many/c0')), 201);
  t.equal(await statusOf(admin('PUT', 'AUTH_many/c0/o0', 'new')), 201);
  const client = new Client(bench.data);
  await client.login(server.url);
  t.same(await untilQuiet(client, LIMIT_MS), []);
  client.close();
  t.equal(await (await admin('GET', 'AUTH_many/c0')).text(), 'o0\n');
  t.equal(await server.stop(), 0);
  t.match(runFsck(bench.data), { exitCode: 0 });
});
