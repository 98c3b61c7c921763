// Services in processes of their own, as on machines of their own: identity alone with a store that is linked to it; and beside
// them Cinder alone over two hosts, each with its volumes and their real daemons, one of which is killed and comes back.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { systemClock } from '../fabric/clock.ts';
import { findTool, missing } from '../test/tools.ts';
import { mustRun, VolumeCluster } from '../test/volumes/cluster.ts';

t.setTimeout(230_000);
const skip = missing('qemu-storage-daemon') || missing('qemu-img') || missing('qemu-io');
const ANSWER_MS = 70_000;
const WAIT_MS = 60_000;
const COMMAND_MS = 60_000;
const GIB = 2 ** 30;
/** What else may be written on a disk meanwhile, times the oversubscription. */
const MARGIN_GB = 50;
const SIZE_GB_MAX = 16_000;
const text = (value: string): string => JSON.stringify(value);

// biome-ignore lint/suspicious/noExplicitAny: documents of tests are looked at, not typed
type Json = any;

interface Asking {
  readonly token?: string;
  readonly body?: object;
}

async function ask(url: string, method: string, { token = '', body }: Asking = {}) {
  const answer = await fetch(url, {
    ...{ method, signal: AbortSignal.timeout(ANSWER_MS) },
    headers: { 'x-auth-token': token, 'content-type': 'application/json', 'openstack-api-version': 'volume 3.59' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const said = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') && said !== '';
  return { status: answer.status, headers: answer.headers, body: (isJson ? JSON.parse(said) : said) as Json };
}

/** Identity alone, and a store alone that is linked to it. */
async function startPair(t: Test): Promise<{ identity: VolumeCluster; store: VolumeCluster }> {
  const identity = new VolumeCluster(t);
  await startIdentity(identity);
  const store = new VolumeCluster(t);
  await startStore(store, identity);
  return { identity, store };
}

const startIdentity = (place: VolumeCluster): Promise<void> =>
  place.startWith('services = ["identity"]', 'identity-listen = "127.0.0.1:0"');

const startStore = (place: VolumeCluster, identity: VolumeCluster): Promise<void> =>
  place.startWith('services = ["store"]', linkTo(identity));

const linkTo = ({ data }: VolumeCluster): string => `identity-link = ${text(path.join(data, 'identity-link.json'))}`;

/** A token of the administrator, and what it may use. */
interface Access {
  readonly token: string;
  readonly project: string;
  url(type: string): string;
}

async function login(identity: VolumeCluster): Promise<Access> {
  const { authUrl, username, password, projectName } = identity.credentials().keystone;
  const domain = { id: 'default' };
  const auth = {
    identity: { methods: ['password'], password: { user: { name: username, password, domain } } },
    scope: { project: { name: projectName, domain } },
  };
  const { headers, body } = await ask(`${authUrl}/auth/tokens`, 'POST', { body: { auth } });
  const { project, catalog } = body.token;
  return {
    ...{ token: headers.get('x-subject-token') ?? '', project: project.id },
    url: (type) => {
      const { endpoints } = catalog.find((one: Json) => one.type === type);
      return endpoints.find((one: Json) => one.interface === 'public').url;
    },
  };
}

function openrc({ data }: VolumeCluster): Record<string, string> {
  const lines = readFileSync(path.join(data, 'openrc'), 'utf8').matchAll(/^export (\w+)='(.*)'$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

t.test('identity alone, and a store that is linked to it', async (t) => {
  const { identity, store } = await startPair(t);
  t.same(Object.keys(identity.credentials()), ['keystone'], 'it has no users of a store');
  t.equal((await ask(`${identity.url}/healthcheck`, 'GET')).status, 200);
  t.equal((await ask(`${identity.url}/v1/AUTH_test`, 'GET')).status, 404, 'nor a store');
  t.notOk(existsSync(path.join(identity.data, 'zones')));
  t.notOk(existsSync(path.join(store.data, 'control', 'store')), 'the store keeps nothing of a control plane');
  const bucket = await ask(`${store.url}/volume/v3`, 'GET');
  t.ok(bucket.headers.get('x-amz-request-id'), 'where Cinder would be there are buckets');

  const { token, project, url } = await login(identity);
  t.equal(url('object-store'), `${store.url}/v1/AUTH_${project}`, 'the store announced itself');
  t.equal((await ask(`${url('object-store')}/papers`, 'PUT', { token })).status, 201, 'a token works there');
  t.equal((await ask(`${url('object-store')}/papers`, 'PUT', { token: 'gAAAAAnonsense' })).status, 401);

  await t.test('openstack', { skip: missing('openstack') }, async (t) => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...openrc(identity) };
    const command = findTool('openstack') as string;
    const { stdout } = await promisify(execFile)(command, ['container', 'list', '-f', 'json'], {
      ...{ env, timeout: COMMAND_MS, encoding: 'utf8' },
    });
    t.same(JSON.parse(stdout), [{ Name: 'papers' }]);
  });

  await identity.kill();
  await store.until('nobody gets in while identity is silent', async () => {
    const { status } = await ask(url('object-store'), 'GET', { token });
    return status === 503 ? status : undefined;
  });
  await store.stop();
  await startStore(store, identity);
  await startIdentity(identity);
  await store.until('the same link leads to it again, and it hears of a store that began without it', async () => {
    const { token, url } = await login(identity);
    if (!url('object-store').startsWith(store.url)) return undefined;
    return (await ask(`${url('object-store')}/papers`, 'GET', { token })).status === 204 ? true : undefined;
  });
  await identity.stop();
  await store.stop();
});

/** Cinder as one client sees it, and the hosts behind it. */
class Cinder {
  readonly #place: VolumeCluster;
  readonly #config: readonly string[];
  readonly #access: Access;

  constructor(t: Test, access: Access, config: readonly string[]) {
    this.#place = new VolumeCluster(t);
    this.#access = access;
    this.#config = config;
  }

  start(): Promise<void> {
    return this.#place.startWith(...this.#config);
  }

  kill(): Promise<void> {
    return this.#place.kill();
  }

  stop(): Promise<void> {
    return this.#place.stop();
  }

  /** Another one after each start. */
  get url(): string {
    return `${this.#place.url}/volume/v3/${this.#access.project}`;
  }

  async ok(method: string, place: string, body?: object): Promise<Json> {
    const answer = await ask(`${this.url}${place}`, method, { token: this.#access.token, ...(body && { body }) });
    if (answer.status >= 300) throw new Error(`${method} ${place}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async until(place: string, what: string, holds: (thing: Json) => boolean): Promise<Json> {
    const endMs = systemClock.monotonicMs() + WAIT_MS;
    for (;;) {
      const { body } = await ask(`${this.url}${place}`, 'GET', { token: this.#access.token });
      const [thing] = Object.values(body) as [Json];
      if (holds(thing)) return thing;
      if (systemClock.monotonicMs() > endMs) throw new Error(`${place}: not ${what}: ${JSON.stringify(body)}`);
      await systemClock.sleep(100);
    }
  }

  /** An available one, as it is shown. */
  async volume(asked: object = {}): Promise<Json> {
    const { volume } = await this.ok('POST', '/volumes', { volume: { size: 1, ...asked } });
    return this.until(`/volumes/${volume.id}`, 'settled', ({ status }) => status !== 'creating');
  }

  /** Runs `work` with the URI of a local attachment. */
  async attached<T>(id: string, work: (uri: string) => Promise<T>): Promise<T> {
    const { uri, attachment } = await this.attach(id);
    try {
      return await work(uri);
    } finally {
      await this.ok('DELETE', `/attachments/${attachment}`);
    }
  }

  async attach(id: string): Promise<{ uri: string; attachment: string }> {
    const { volume } = await this.ok('GET', `/volumes/${id}`);
    const connector = { host: hostOf(volume) };
    const { attachment } = await this.ok('POST', '/attachments', { attachment: { volume_uuid: id, connector } });
    await this.ok('POST', `/attachments/${attachment.id}/action`, { 'os-complete': {} });
    return { uri: attachment.connection_info.uri, attachment: attachment.id };
  }

  /** Of each host's service, `up` or `down`. */
  async states(): Promise<Record<string, string>> {
    const { services } = await this.ok('GET', '/os-services?binary=cinder-volume');
    return Object.fromEntries(services.map(({ host, state }: Json) => [host.split('@')[0], state]));
  }

  async remove(place: string): Promise<void> {
    await this.ok('DELETE', place);
    await this.until(place, 'gone', ({ code }) => code === 404);
  }
}

const hostOf = (volume: Json): string => volume['os-vol-host-attr:host'].split('@')[0];

/** A host with its volumes alone, whose snapshots are in the store of the pair. */
class Host {
  readonly place: VolumeCluster;
  readonly #config: readonly string[];

  constructor(t: Test, { keystone, under }: { readonly keystone: Keystone; readonly under: string }) {
    this.place = new VolumeCluster(t, { under });
    const { authUrl, username, password, projectName } = keystone;
    this.#config = [
      ...['services = ["volumes"]', 'volumes-listen = "127.0.0.1:0"', `volumes-auth-url = ${text(authUrl)}`],
      ...[`volumes-user = ${text(username)}`, `volumes-key = ${text(password)}`],
      `volumes-project = ${text(projectName)}`,
    ];
  }

  start(): Promise<void> {
    return this.place.startWith(...this.#config);
  }

  get link(): string {
    return path.join(this.place.data, 'volumes-link.json');
  }

  get id(): string {
    return readFileSync(path.join(this.place.data, 'host-id'), 'utf8').trim();
  }

  has(volume: string): boolean {
    return existsSync(path.join(this.place.data, 'volumes', volume));
  }
}

type Keystone = ReturnType<VolumeCluster['credentials']>['keystone'];

t.test('Cinder alone over two hosts', { skip }, async (t) => {
  const { identity } = await startPair(t);
  const { keystone } = identity.credentials();
  const one = new Host(t, { keystone, under: os.tmpdir() });
  const two = new Host(t, { keystone, under: existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir() });
  await Promise.all([one.start(), two.start()]);
  const access = await login(identity);
  const cinder = new Cinder(t, access, [
    ...['services = ["cinder"]', linkTo(identity)],
    ...['[[volume-hosts]]', `link = ${text(one.link)}`, 'zone = "east"', 'backend = "first"'],
    ...['[[volume-hosts]]', `link = ${text(two.link)}`, 'zone = "west"'],
  ]);
  await cinder.start();
  t.equal((await login(identity)).url('block-storage'), cinder.url, 'it announced itself');
  for (const { place } of [one, two]) t.notOk(existsSync(path.join(place.data, 'control')), 'a host has no store');
  const bed: Bed = { cinder, project: access.project, one, two };
  const id = await scheduled(t, bed);
  await moved(t, bed, id);
  await killed(t, bed, id);
  for (const { id } of (await bed.cinder.ok('GET', '/volumes')).volumes)
    await bed.cinder.remove(`/volumes/${id}?cascade=true`);
  for (const { place } of [one, two]) {
    t.same(await place.json('list'), []);
    t.same(await place.daemonFiles(), [], 'no daemon is left');
    await place.stop();
  }
  await cinder.stop();
});

interface Bed {
  readonly cinder: Cinder;
  readonly project: string;
  readonly one: Host;
  readonly two: Host;
}

/** A volume on the first host. */
async function scheduled(t: Test, { cinder, project, one, two }: Bed): Promise<string> {
  const both = { [one.id]: 'up', [two.id]: 'up' };
  await one.place.until('both hosts are linked', async () => {
    const states = Object.values(await cinder.states());
    return states.every((state) => state === 'up') ? states : undefined;
  });
  t.same(await cinder.states(), both);
  const east = await cinder.volume({ availability_zone: 'east' });
  const west = await cinder.volume({ availability_zone: 'west' });
  t.same([east, west].map(hostOf), [one.id, two.id], 'by zone');
  await cinder.ok('PUT', `/os-quota-sets/${project}`, { quota_set: { gigabytes: -1, volumes: -1 } });
  const { pools } = await cinder.ok('GET', '/scheduler-stats/get_pools?detail=true');
  const rooms: [string, number][] = pools.map((pool: Json) => [pool.name.split('@')[0], pool.capabilities.room_gb]);
  const [[roomy], [tight, room]] = rooms.sort(([, a], [, b]) => b - a) as [[string, number], [string, number]];
  const size = room + MARGIN_GB;
  // Where both are on one disk there is nothing to choose by.
  if (size < Math.min(rooms[0]?.[1] ?? 0, SIZE_GB_MAX)) {
    const large = await cinder.volume({ size });
    t.ok(hostOf(large) === roomy && hostOf(large) !== tight, 'by room');
    await cinder.remove(`/volumes/${large.id}`);
    const zone = tight === one.id ? 'east' : 'west';
    t.equal((await cinder.volume({ size, availability_zone: zone })).status, 'error', 'nowhere, for want of room');
  }
  return east.id;
}

async function moved(t: Test, { cinder, one, two }: Bed, id: string): Promise<void> {
  const [piece, image] = [one.place.file('piece.bin'), one.place.file('image.bin')];
  writeFileSync(piece, randomBytes(4 * 2 ** 20));
  writeFileSync(image, '');
  truncateSync(image, GIB);
  const write = (file: string): Promise<string> =>
    mustRun('qemu-io', ['-f', 'raw', ...['3M', '700M'].flatMap((at) => ['-c', `write -q -s ${piece} ${at} 4M`]), file]);
  const compare = (uri: string): Promise<string> =>
    mustRun('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', image, uri]);
  await write(image);
  await cinder.attached(id, write);
  const { snapshot } = await cinder.ok('POST', '/snapshots', { snapshot: { volume_id: id, name: 'before' } });
  await cinder.until(`/snapshots/${snapshot.id}`, 'stored', ({ status }) => status === 'available');

  await cinder.ok('POST', `/volumes/${id}/action`, { 'os-migrate_volume': { host: two.id } });
  // In the middle, or nearly so: what it had asked of hosts goes on, and it takes up the rest.
  await cinder.kill();
  await cinder.start();
  const there = await cinder.until(`/volumes/${id}`, 'moved', ({ status }) => status === 'available');
  t.match(there, { migration_status: 'success', availability_zone: 'west' });
  t.same([hostOf(there), two.has(id), one.has(id)], [two.id, true, false], 'its files are there, and here no more');
  t.match(await cinder.attached(id, compare), /identical/);

  const specs = { volume_backend_name: 'first' };
  await cinder.ok('POST', '/types', { volume_type: { name: 'first', extra_specs: specs } });
  await cinder.ok('POST', `/volumes/${id}/action`, {
    'os-retype': { new_type: 'first', migration_policy: 'on-demand' },
  });
  const back = await cinder.until(`/volumes/${id}`, 'retyped', ({ status }) => status === 'available');
  t.match(back, { volume_type: 'first', availability_zone: 'east' });
  t.same([hostOf(back), one.has(id), two.has(id)], [one.id, true, false], 'a type may need another host');
  t.match(await cinder.attached(id, compare), /identical/);

  const restored = await cinder.volume({
    snapshot_id: snapshot.id,
    volume_type: '__DEFAULT__',
    availability_zone: 'west',
  });
  t.equal(hostOf(restored), two.id, 'a snapshot of one host is a volume of the other');
  t.match(await cinder.attached(restored.id, compare), /identical/);
}

async function killed(t: Test, { cinder, one, two }: Bed, id: string): Promise<void> {
  const west = await cinder.volume({ availability_zone: 'west' });
  const { uri, attachment } = await cinder.attach(west.id);
  const io = (command: string): Promise<string> => mustRun('qemu-io', ['-f', 'raw', '-c', command, uri]);
  await two.place.kill();
  await io('write -q -P 7 0 64k');
  await two.place.until('it is seen', async () => ((await cinder.states())[two.id] === 'down' ? true : undefined));
  t.equal((await cinder.states())[one.id], 'up');
  await cinder.attached(id, (other) => mustRun('qemu-io', ['-f', 'raw', '-c', 'write -q -P 8 0 64k', other]));
  t.equal(hostOf(await cinder.volume()), one.id, 'new ones go to the other');
  t.equal((await cinder.volume({ availability_zone: 'west' })).status, 'error', 'or nowhere');

  await two.start();
  await two.place.until('it is back', async () => ((await cinder.states())[two.id] === 'up' ? true : undefined));
  await io('read -q -P 7 0 64k');
  await cinder.ok('DELETE', `/attachments/${attachment}`);
  t.equal((await cinder.volume({ availability_zone: 'west' })).status, 'available');
}
