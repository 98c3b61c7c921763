/**
 * Cinder's controller that dies at a chosen operation: before the write or call takes effect, or after it and before its answer
 * is heard. What it leaves, rows and hosts, is given to the next one. Also tells whether rows, hosts and quotas agree.
 */
import { startCinder } from '../block/cinder/start.ts';
import {
  ALLOCATED,
  attachments,
  backups,
  connections,
  groupSnapshots,
  groups,
  leftovers,
  snapshots,
  types,
  volumes,
} from '../block/cinder/tables.ts';
import type { ControlStore, ReadTx } from '../control/contract.ts';
import { createMemoryMap, type MemoryMap } from '../control/store/memory-map.ts';
import { createMemoryStore } from '../control/store/open.ts';
import { listActive } from '../control/tasks/task-rows.ts';
import { type Clock, systemClock, type Timer } from '../fabric/clock.ts';
import type { HttpHandler, HttpRequest } from '../fabric/http/contract.ts';
import { systemRandom } from '../fabric/random.ts';
import type { Peer } from '../fabric/rpc/contract.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { tokenCredentials } from './cinder-bed.ts';
import { FakeObjectStore, FakeVolumeAgent } from './fake-volume-agent.ts';

/** Pauses of tasks are this much shorter. */
const HASTE = 20;
const QUIET_MS = 60_000;
const GIB = 2 ** 30;

export interface CrashPoint {
  /** Counted from 1 over writes and calls. */
  readonly at: number;
  readonly when: 'before' | 'after';
}

/** What outlives a controller. */
export interface Remains {
  readonly map: MemoryMap;
  readonly objects: FakeObjectStore;
  readonly agents: readonly FakeVolumeAgent[];
}

export function freshRemains(): Remains {
  const objects = new FakeObjectStore();
  return { map: createMemoryMap(), objects, agents: ['h1', 'h2'].map((host) => new FakeVolumeAgent(host, objects)) };
}

/** Nothing that is asked of a dead process is ever answered. */
const never = (): Promise<never> => new Promise(() => {});

class Life {
  operations = 0;
  dead = false;
  point: CrashPoint | undefined;
  readonly died: Promise<void>;
  #tell = (): void => {};

  constructor() {
    this.died = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  async operation<T>(run: () => Promise<T>): Promise<T> {
    if (this.dead) return never();
    const isHere = ++this.operations === this.point?.at;
    if (isHere && this.point?.when === 'before') return this.#die();
    const result = await run();
    if (isHere) return this.#die();
    return this.dead ? never() : result;
  }

  #die(): Promise<never> {
    this.dead = true;
    this.#tell();
    return never();
  }
}

export interface CrashBed {
  readonly life: Life;
  readonly store: ControlStore;
  call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: Readonly<Record<string, Readonly<Record<string, unknown>>>> }>;
  /** No task is left. */
  quiet(): Promise<void>;
  /** Nothing is left over. */
  cleared(): Promise<void>;
  kill(): Promise<void>;
}

export async function startCrashBed({ map, agents }: Remains): Promise<CrashBed> {
  const life = new Life();
  const timers = new Set<Timer>();
  const clock = hastyClock(timers);
  const real = createMemoryStore({ map, clock: systemClock });
  const store: ControlStore = {
    read: (body) => (life.dead ? never() : real.read(body)),
    write: (body, options) => life.operation(() => real.write(body, options)),
    lease: (name, holder, ttlMs) => life.operation(() => real.lease(name, holder, ttlMs)),
    renew: (lease, ttlMs) => (life.dead ? never() : real.renew(lease, ttlMs)),
    release: (lease) => (life.dead ? never() : real.release(lease)),
    revision: () => (life.dead ? never() : real.revision()),
    changes: (options) => (life.dead ? never() : real.changes(options)),
    waitForChange: (after, waitMs) => (life.dead ? never() : real.waitForChange(after, waitMs)),
    close: () => real.close(),
  };
  const peers = agents.map((agent) => createLocalPeer(agent.host, agent.handlers, { clock: systemClock }));
  const mortal = (peer: Peer): Peer => ({
    ...{ name: peer.name, up: true, load: peer.load, close: () => peer.close() },
    // Looks change nothing at a host.
    call: (method, args, options) => {
      const run = () => peer.call(method, args, options);
      return LOOKS.includes(method) ? (life.dead ? never() : run()) : life.operation(run);
    },
  });
  const service = await startCinder(
    {
      holder: 'cinder',
      hosts: new Map(peers.map((peer) => [peer.name, { peer: mortal(peer) }])),
      settings: { hostPatienceMs: 0 },
    },
    { store, clock, random: systemRandom, authenticate: tokenCredentials, onError: (error) => console.error(error) },
  );
  return {
    ...{ life, store },
    call: (method, path, body) =>
      Promise.race([ask(service.handler, method, path, body), life.died.then(() => ({ status: 0, body: {} }))]),
    async quiet() {
      const endMs = performance.now() + QUIET_MS;
      while ((await real.read(listActive)).length > 0) {
        if (performance.now() > endMs) throw new Error('tasks are stuck');
        await systemClock.sleep(1);
      }
    },
    async cleared() {
      const endMs = performance.now() + QUIET_MS;
      while ((await real.read((tx) => leftovers.all(tx))).length > 0) {
        if (performance.now() > endMs) throw new Error('something is left over');
        await systemClock.sleep(1);
      }
    },
    async kill() {
      life.dead = true;
      for (const timer of timers) timer.cancel();
      for (const peer of peers) await peer.close();
    },
  };
}

const LOOKS = ['volume', 'snapshot', 'hostStatus', 'volumes'];

function hastyClock(timers: Set<Timer>): Clock {
  const after: Clock['after'] = (delayMs, run) => {
    const timer = systemClock.after(delayMs / HASTE, () => {
      timers.delete(timer);
      run();
    });
    timers.add(timer);
    return timer;
  };
  return { ...systemClock, after, sleep: (delayMs) => new Promise((resolve) => void after(delayMs, resolve)) };
}

async function ask(handler: HttpHandler, method: string, path: string, body: unknown) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const bytes = Buffer.from(text);
  const headers = new Map([
    ['x-auth-token', 'films/admin'],
    ['openstack-api-version', 'volume 3.70'],
    ...(body === undefined ? [] : [['content-type', 'application/json'] as const]),
  ]);
  const [pathOnly = '', query] = path.split('?');
  const request: HttpRequest = {
    ...{ method, path: `/v3/films${pathOnly}`, query, headers, headerLines: () => [...headers].flat() },
    ...{ remoteAddress: '127.0.0.1', tls: false, signal: new AbortController().signal },
    body: { lengthBytes: bytes.length, read: async () => undefined, collect: async () => bytes },
  };
  const response = await handler(request);
  const answer = response.body === undefined ? '' : Buffer.from(response.body as Uint8Array).toString();
  return { status: response.status, body: answer === '' ? {} : JSON.parse(answer) };
}

/** What is wrong between rows, hosts, object store and quotas; empty when they agree. */
export async function disagreements(store: ControlStore, { agents, objects }: Remains): Promise<string[]> {
  const wrong: string[] = [];
  const usage: Record<string, number> = { volumes: 0, gigabytes: 0, snapshots: 0, backups: 0, backup_gigabytes: 0 };
  usage['groups'] = 0;
  const add = (name: string, amount: number): void => {
    usage[name] = (usage[name] ?? 0) + amount;
  };
  const allocated: Record<string, number> = { h1: 0, h2: 0 };
  await store.read(async (tx) => {
    const names = new Map((await types.all(tx)).map(({ id, name }) => [id, name]));
    const rows = await volumes.all(tx);
    for (const { id, status, host, sizeGb, typeId, lineage } of rows) {
      const there = agents.filter(({ volumes: all }) => all.has(id)).map((agent) => agent.host);
      if (!SETTLED.includes(status)) wrong.push(`volume ${id} is ${status}`);
      if (there.length > 1 || (there[0] !== undefined && there[0] !== host))
        wrong.push(`volume of ${host} is at ${there}`);
      const file = agents.find((agent) => agent.host === host)?.volumes.get(id);
      if (USABLE.includes(status) && (!file || file.sizeBytes !== sizeGb * GIB))
        wrong.push(`volume ${status} of ${sizeGb} has ${file?.sizeBytes}`);
      if (file && USABLE.includes(status) && file.lineage !== lineage)
        wrong.push(`lineage ${lineage} is ${file.lineage}`);
      const open = (await attachments.by(tx, 'volume', id)).filter(({ connection }) => connection);
      const plain = (await connections.by(tx, 'volume', id)).filter(({ connection }) => connection);
      if (file && file.attachments.size !== open.length + plain.length)
        wrong.push(`${file.attachments.size} attachments`);
      add('volumes', 1);
      add('gigabytes', sizeGb);
      add(`volumes_${names.get(typeId)}`, 1);
      add(`gigabytes_${names.get(typeId)}`, sizeGb);
      if (host !== undefined) allocated[host] = (allocated[host] ?? 0) + sizeGb;
    }
    for (const { host, volumes: files } of agents)
      for (const id of files.keys())
        if (!rows.some((row) => row.id === id)) wrong.push(`${host} has ${id}, which is nobody's`);
    const taken = [...(await snapshots.all(tx)), ...(await backups.all(tx))];
    for (const { id, status, lineage } of taken) {
      if (!SETTLED.includes(status)) wrong.push(`snapshot or backup ${id} is ${status}`);
      const stored = objects.snapshots.get(`${lineage}/${id}`);
      if (status === 'available' && stored?.status !== 'available') wrong.push(`${id} is not stored`);
    }
    for (const { snapshot } of objects.snapshots.values())
      if (!taken.some(({ id }) => id === snapshot)) wrong.push(`${snapshot} is stored and nobody's`);
    for (const one of await snapshots.all(tx)) {
      for (const [name, amount] of [
        ['snapshots', 1],
        ['gigabytes', one.sizeGb],
      ] as const) {
        add(name, amount);
        add(`${name}_${names.get(one.typeId)}`, amount);
      }
    }
    for (const one of await backups.all(tx)) {
      add('backups', 1);
      add('backup_gigabytes', one.sizeGb);
    }
    add('groups', (await groups.all(tx)).length);
    wrong.push(...(await groupDisagreements(tx)));
    for (const host of ['h1', 'h2']) {
      const gigabytes = (await tx.get(ALLOCATED, host))?.gigabytes ?? 0;
      if (gigabytes !== allocated[host]) wrong.push(`${host} is promised ${gigabytes}, not ${allocated[host]}`);
    }
    const used = (await tx.get({ name: 'volume.quota_usage' }, 'films')) as
      | { numbers?: Record<string, number> }
      | undefined;
    for (const [name, count] of Object.entries({ ...used?.numbers, ...usage })) {
      if ((used?.numbers?.[name] ?? 0) !== (usage[name] ?? 0))
        wrong.push(`quota ${name}: ${used?.numbers?.[name]} of ${count}`);
    }
  });
  return wrong;
}

/** Groups, group snapshots and their members. */
async function groupDisagreements(tx: ReadTx): Promise<string[]> {
  const wrong: string[] = [];
  const all = await groups.all(tx);
  for (const { id, status, host } of all) {
    const members = await volumes.by(tx, 'group', id);
    if (!SETTLED.includes(status)) wrong.push(`group ${id} is ${status}`);
    if (members.some((row) => row.host !== host)) wrong.push(`group ${id} of ${host} has volumes elsewhere`);
    if (status === 'available' && members.some((row) => !USABLE.includes(row.status)))
      wrong.push(`group ${id} is ${status}, its volumes ${members.map((row) => row.status)}`);
  }
  for (const { id, groupId } of await volumes.all(tx)) {
    if (groupId !== undefined && !all.some((group) => group.id === groupId))
      wrong.push(`volume ${id} is in group ${groupId}, which is gone`);
  }
  for (const { id, status, groupId } of await groupSnapshots.all(tx)) {
    const members = await snapshots.by(tx, 'group', id);
    const isOfGroup = all.some((group) => group.id === groupId);
    if (!SETTLED.includes(status) || !isOfGroup) wrong.push(`group snapshot ${id} is ${status}`);
    if (status === 'available' && members.some((one) => one.status !== 'available'))
      wrong.push(`group snapshot ${id} is ${status}, its snapshots ${members.map((one) => one.status)}`);
  }
  for (const { id, groupSnapshotId } of await snapshots.all(tx)) {
    if (groupSnapshotId !== undefined && (await groupSnapshots.get(tx, groupSnapshotId)) === undefined)
      wrong.push(`snapshot ${id} is of ${groupSnapshotId}, which is gone`);
  }
  return wrong;
}

const USABLE = ['available', 'in-use', 'reserved', 'attaching', 'awaiting-transfer'];
const SETTLED = [...USABLE, 'error', 'error_deleting', 'error_extending', 'error_restoring'];
