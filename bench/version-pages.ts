/**
 * What a page of 1,000 costs, by the store's own code down to one real device: names of a plain container, and versions of
 * names that have four each, at a small and a large number. All primaries are this one device, so no wire is in the figure.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeRow, ROW_DELETE_MARKER } from '../account-container/contract.ts';
import { createContainerService } from '../account-container/service.ts';
import { Totals } from '../account-container/totals.ts';
import { systemClock } from '../fabric/clock.ts';
import { openLmdb } from '../fabric/lmdb.ts';
import { systemRandom } from '../fabric/random.ts';
import type { Handlers } from '../fabric/rpc/contract.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { createStampSource, makeStamp } from '../fabric/stamp.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { encodeHead, type Key, type Mutation, TABLE } from '../object-server/contract.ts';
import { openDevice } from '../object-server/open-device.ts';
import { createObjectService } from '../object-server/service.ts';
import { createCluster } from '../proxy/cluster.ts';
import { type ContainerState, rowPrefix } from '../proxy/object/containers.ts';
import type { Context, Store } from '../proxy/object/contract.ts';
import { inlineDigests } from '../proxy/object/digest.ts';
import { createStore, type RunningStore } from '../proxy/object/store.ts';
import { versionRowKey } from '../proxy/object/version-format.ts';
import { createSettledMarks } from '../proxy/settled.ts';
import { fiveZoneRing } from '../ring/five-zone-ring.ts';
import { createPathHasher } from '../ring/path-hash.ts';
import { onEnd } from './cleanup.ts';

const PAGE = 1000;
const BATCH = 1000;
const BATCHES_IN_FLIGHT = 4;
export const VERSIONS_EACH = 4;
const RUNS = 7;
const PAGES_A_RUN = 20;
const ACCOUNT = 'AUTH_bench';
const CONTEXT: Context = {
  transId: 'bench',
  caller: { account: ACCOUNT, user: 'bench:bench', groups: [], admin: true },
};
const ABOUT = { sizeBytes: 4096, etag: 'd41d8cd98f00b204e9800998ecf8427e', contentType: 'application/octet-stream' };

export interface PageCosts {
  /** µs CPU an entry. */
  readonly plainUs: number;
  readonly versionsUs: number;
}

const nameOf = (i: number): string => `object-${String(i).padStart(8, '0')}`;

/** `count` rows each: so many names, and so many versions of a quarter as many names. */
export async function pageCosts(count: number, parent = tmpdir()): Promise<PageCosts> {
  const directory = mkdtempSync(join(parent, 'needletail-bench-versions-'));
  const remove = onEnd(async () => rmSync(directory, { recursive: true, force: true }));
  const totals = new Totals();
  const device = await openDevice({
    directory,
    deviceId: 0,
    clusterId: '0'.repeat(32),
    disk: systemDisk,
    openKv: (path) => openLmdb({ path }),
    clock: systemClock,
    random: systemRandom,
    projections: [totals],
    limits: { reserveBytes: 0, reserveBytesMin: 0 },
  });
  const ring = fiveZoneRing({ partPower: 5 });
  const handlers = {
    ...createObjectService(new Map(ring.devices.map(({ id }) => [id, device]))),
    ...createContainerService(new Map(ring.devices.map(({ id }) => [id, { store: device, totals }]))),
  };
  const running = storeOn(ring, handlers);
  const { store } = running;
  try {
    await store.createContainer(CONTEXT, { account: ACCOUNT, container: 'plain' }, {});
    await store.createContainer(
      CONTEXT,
      { account: ACCOUNT, container: 'versions' },
      { s3: { versioning: 'Enabled' } },
    );
    for (const container of ['plain', 'versions'] as const) {
      const state = await running.engine.containers.findFresh({ account: ACCOUNT, container });
      if (!state) throw new Error(`no container ${container}`);
      await fill(
        (mutations, settled) => device.apply(mutations, { writer: 1, settled }),
        count,
        (i) => (container === 'plain' ? plainRow(state, i) : versionRow(state, i)),
      );
    }
    await device.checkpoint();
    return { plainUs: await measure(plainPage(store, count)), versionsUs: await measure(versionsPage(store, count)) };
  } finally {
    running.stop();
    await device.close();
    await remove();
  }
}

function storeOn(ring: ReturnType<typeof fiveZoneRing>, handlers: Handlers): RunningStore {
  const clock = systemClock;
  const peer = createLocalPeer('device', handlers, { clock });
  const stamps = createStampSource({ clock, writerId: 2, floorTicks: 0, reserve: () => {} });
  const cluster = createCluster({
    clock,
    random: systemRandom,
    stamps,
    settled: createSettledMarks(stamps, clock),
    ring,
    peers: new Map(ring.devices.map(({ id }) => [id, peer])),
    hashPath: createPathHasher({ prefix: Buffer.from('bench'), suffix: Buffer.from('bench') }),
  });
  const onError = (what: string, error: unknown): void => console.error(what, error);
  return createStore({ cluster, digests: inlineDigests, random: systemRandom, onError });
}

type Apply = (mutations: readonly Mutation[], settled: ReturnType<typeof makeStamp>) => Promise<unknown>;

async function fill(apply: Apply, count: number, row: (i: number) => Buffer): Promise<void> {
  const flying: Promise<unknown>[] = [];
  for (let i = 0; i < count; i += BATCH) {
    const heads = Array.from({ length: Math.min(BATCH, count - i) }, (_, at) => ({ head: row(i + at) }));
    flying.push(apply(heads, stampOf(Math.max(0, i - BATCH * (BATCHES_IN_FLIGHT + 1)))));
    if (flying.length > BATCHES_IN_FLIGHT) await flying.shift();
  }
  await Promise.all(flying);
}

const stampOf = (i: number) => makeStamp(1_000_000 + i, 1);

function plainRow({ rowPrefix: prefix }: ContainerState, i: number): Buffer {
  return encodeHead({
    key: (prefix + nameOf(i)) as Key,
    ballot: stampOf(i),
    stamp: stampOf(i),
    meta: encodeRow(ABOUT),
  });
}

/** Of each name the newest is in the current table and the others, one of them a delete marker, among the versions. */
function versionRow(state: ContainerState, i: number): Buffer {
  const name = nameOf(Math.floor(i / VERSIONS_EACH));
  const stamp = stampOf(i);
  const at = i % VERSIONS_EACH;
  if (at === VERSIONS_EACH - 1) {
    const meta = encodeRow({ ...ABOUT, extra: { version: stamp } });
    const prefix = rowPrefix(state.hash, state.incarnation, TABLE.current);
    return encodeHead({ key: (prefix + name) as Key, ballot: stamp, stamp, meta });
  }
  const flags = at === 1 ? ROW_DELETE_MARKER : 0;
  const meta = encodeRow({ ...ABOUT, flags, extra: { version: stamp } });
  return encodeHead({ key: versionRowKey(state, name, stamp), ballot: stamp, stamp, meta });
}

type Page = () => Promise<number>;

function plainPage(store: Store, count: number): Page {
  const ref = { account: ACCOUNT, container: 'plain' };
  return async () => {
    const marker = nameOf(systemRandom.below(count - 2 * PAGE));
    return (await store.listObjects(CONTEXT, ref, { limit: PAGE, marker })).entries.length;
  };
}

function versionsPage(store: Store, count: number): Page {
  const ref = { account: ACCOUNT, container: 'versions' };
  const names = Math.floor(count / VERSIONS_EACH);
  return async () => {
    const marker = nameOf(systemRandom.below(names - PAGE));
    return (await store.listVersions(CONTEXT, ref, { limit: PAGE, marker })).entries.length;
  };
}

/** The best of several runs: the machine is shared. */
async function measure(page: Page): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run <= RUNS; run++) {
    const before = process.cpuUsage();
    for (let i = 0; i < PAGES_A_RUN; i++) if ((await page()) !== PAGE) throw new Error('a page is not full');
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / PAGES_A_RUN / PAGE);
  }
  return best;
}
