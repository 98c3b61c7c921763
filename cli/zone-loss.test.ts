/** A zone is killed under load: nothing acknowledged is lost, it comes back by itself, and `status` says when it is level. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { systemClock } from '../fabric/clock.ts';
import { systemRandom } from '../fabric/random.ts';
import { connectPeer } from '../fabric/rpc/client.ts';
import {
  headBallot,
  headKey,
  type Key,
  keyHashPrefix,
  type ObjectServiceCalls,
  SPACE_HANDOFF,
} from '../object-server/contract.ts';
import { asPartition } from '../ring/contract.ts';
import { createRing } from '../ring/ring.ts';
import { decodeRing } from '../ring/ring-file-format.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const WRITERS = 8;
const LARGE_EVERY = 25;

interface Started {
  readonly child: ChildProcess;
  readonly data: string;
  readonly url: string;
  readonly token: string;
}

async function start(data: string): Promise<Started> {
  const args = [
    'start',
    '--data',
    data,
    '--port',
    '0',
    '--s3-port',
    '0',
    '--processes',
    'zones',
    '--log-level',
    'silent',
  ];
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('ready ')) break;
  }
  child.stdout.resume();
  const { swift } = JSON.parse(readFileSync(path.join(data, 'credentials.json'), 'utf8'));
  const auth = await fetch(swift.authUrl, { headers: { 'x-auth-user': swift.user, 'x-auth-key': swift.key } });
  return {
    child,
    data,
    url: auth.headers.get('x-storage-url') as string,
    token: auth.headers.get('x-auth-token') as string,
  };
}

/** Writes until told to stop; remembers what was acknowledged. */
async function load(
  started: Started,
  writer: number,
  running: () => boolean,
  acknowledged: Map<string, string | null>,
) {
  const headers = { 'x-auth-token': started.token };
  let failed = 0;
  for (let i = 0; running(); i++) {
    const name = `${started.url}/c/w${writer}-${i % 40}`;
    const remove = i % 7 === 6;
    const body = `${i} `.repeat(i % LARGE_EVERY === 0 ? 40_000 : 1000);
    const answer = await fetch(name, remove ? { method: 'DELETE', headers } : { method: 'PUT', headers, body });
    await answer.arrayBuffer();
    if (answer.ok || (remove && answer.status === 404)) acknowledged.set(name, remove ? null : body);
    else {
      failed++;
      acknowledged.delete(name);
    }
  }
  return failed;
}

/** The largest number of copies that were held for a zone at one time, within a span of load. */
async function mostHandoffCopies({ url }: Started, spanMs: number): Promise<number> {
  const endMs = performance.now() + spanMs;
  let most = 0;
  while (performance.now() < endMs) {
    const page = await (await fetch(new URL('/metrics', url))).text();
    const copies = page.match(/^needletail_device_handoff_copies.* \d+$/gm) ?? [];
    most = Math.max(
      most,
      copies.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
    );
    await sleep(200);
  }
  return most;
}

async function registersOf({ data }: Started, zone: string, device: number): Promise<Map<Key, string>> {
  const { clusterId, clusterSecret } = JSON.parse(readFileSync(path.join(data, 'cluster.json'), 'utf8'));
  const peer = connectPeer({
    endpoint: { path: path.join(data, 'run', `${zone}.sock`) },
    peerName: zone,
    name: 'test',
    secret: Buffer.from(clusterSecret, 'hex'),
    clusterId,
    clock: systemClock,
    random: systemRandom,
  });
  await peer.whenUp(5000);
  const found = new Map<Key, string>();
  let from = '\x01';
  for (let more = true; more; ) {
    const reply = await peer.call('scan', { device, start: from, end: SPACE_HANDOFF, limit: 500 });
    const page = reply.value as ObjectServiceCalls['scan']['reply'];
    for (const head of page.heads) found.set(headKey(head), headBallot(head));
    more = page.more;
    from = `${headKey(page.heads.at(-1) as Buffer)}\0`;
  }
  await peer.close();
  return found;
}

/** Keys whose primaries do not hold the same. */
async function disagreements(started: Started): Promise<string[]> {
  const ring = createRing(decodeRing(readFileSync(path.join(started.data, 'ring.gz'))));
  const held = new Map<number, Map<Key, string>>();
  for (const { id, region, zone } of ring.devices) held.set(id, await registersOf(started, `r${region}z${zone}`, id));
  const keys = new Set([...held.values()].flatMap((registers) => [...registers.keys()]));
  const found: string[] = [];
  for (const key of keys) {
    const primaries = ring.primaries(asPartition(keyHashPrefix(key) >>> (32 - ring.partPower), ring.partPower));
    const ballots = primaries.map(({ id }) => held.get(id)?.get(key));
    if (new Set(ballots).size > 1) found.push(`${Buffer.from(key, 'latin1').toString('hex')}: ${ballots.join(' ')}`);
  }
  return found;
}

t.test('kill -9 of a zone under load', { timeout: 150_000 }, async (t) => {
  const root = mkdtempSync(path.join(tmpdir(), 'needletail-loss-'));
  const started = await start(path.join(root, 'data'));
  t.teardown(async () => {
    if (started.child.exitCode === null) {
      started.child.kill('SIGTERM');
      await once(started.child, 'exit');
    }
    rmSync(root, { recursive: true, force: true });
  });
  const status = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, 'status', '--data', started.data, ...args], { encoding: 'utf8' });
  await fetch(`${started.url}/c`, { method: 'PUT', headers: { 'x-auth-token': started.token } });
  let running = true;
  const acknowledged = new Map<string, string | null>();
  const writers = Array.from({ length: WRITERS }, (_, i) => load(started, i, () => running, acknowledged));
  await sleep(2000);
  const { zones } = JSON.parse(readFileSync(path.join(started.data, 'run', 'pids.json'), 'utf8'));
  process.kill(zones.r1z2, 'SIGKILL');
  const copiesMost = await mostHandoffCopies(started, 3000);
  running = false;
  const failed = (await Promise.all(writers)).reduce((sum, each) => sum + each, 0);
  t.ok(copiesMost > 0, `while it was away, others held ${copiesMost} copies for it`);
  t.ok(failed <= WRITERS, `${failed} requests failed, no more than were in flight`);
  const waited = status('--wait', '60');
  t.equal(waited.status, 0, waited.stdout + waited.stderr);
  t.match(waited.stdout, /all devices up, nothing owed\n$/);
  const { devices } = JSON.parse(status('--json').stdout) as { devices: { status: { handoffCopies: number } }[] };
  t.same(
    devices.map((device) => device.status.handoffCopies),
    [0, 0, 0, 0, 0],
    'all delivered',
  );
  t.same(await disagreements(started), []);
  const wrong: string[] = [];
  for (const [name, body] of acknowledged) {
    const answer = await fetch(name, { headers: { 'x-auth-token': started.token } });
    const text = await answer.text();
    if (body === null ? answer.status !== 404 : text !== body) wrong.push(name);
  }
  t.same(wrong, []);
  t.ok(acknowledged.size > WRITERS);
  t.ok([...acknowledged.values()].includes(null), 'deletes among them');
  started.child.kill('SIGTERM');
  await once(started.child, 'exit');
  t.equal(status().status, 2, 'a stopped cluster cannot be asked');
});
