// A proxy dies amid writes into a container that is synchronised, and the other side is away for a while: what came to be is
// there in the end, and what was deleted is not, with the same times; then nothing is read any more. Seeds are printed.
import t from 'tap';
import { type Stamp, stampTicks } from '../../fabric/stamp.ts';
import type { ContainerRef, Context, ObjectInfo } from '../../proxy/object/contract.ts';
import type { SyncOutcome, SyncTarget } from '../../proxy/object/sync-turn.ts';
import { createSyncer, type Syncer } from '../../proxy/object/sync-worker.ts';
import { SYNC_KEY, SYNC_TO } from '../../proxy/sync-realms.ts';
import { bodyOf } from '../s3-signer.ts';
import { SimCluster } from './sim-cluster.ts';
import type { SimProxy } from './sim-proxy.ts';

t.setTimeout(180_000);

const SEEDS = 4;
const LIVES = 4;
/** In each. */
const WRITES = 8;
const NAMES = 8;
const STEPS_MAX = 2_000_000;
/** For unsettled operations, clocks that differ by a minute, leases, pauses after failures, and notes that are kept. */
const SETTLED_MS = 600_000;
const IDLE_MS = 300_000;
const REF: ContainerRef = { account: 'AUTH_sim', container: 'c' };
const CONTEXT: Context = {
  transId: 'sim',
  caller: { account: 'AUTH_sim', user: 'sim:sim', groups: [], admin: true },
};

/** Takes what is newer, as a container of another cluster does. */
class OtherSide {
  readonly held = new Map<string, { readonly stamp: Stamp; readonly etag: string | undefined }>();
  isAway = false;
  refused = 0;

  take(name: string, stamp: Stamp, etag: string | undefined): SyncOutcome {
    if (this.isAway) {
      this.refused++;
      return 'later';
    }
    const before = this.held.get(name);
    if (!before || stampTicks(before.stamp) < stampTicks(stamp)) this.held.set(name, { stamp, etag });
    return 'done';
  }

  /** Of a proxy that is dead nobody hears. */
  seenBy({ life }: SimProxy): SyncTarget {
    const take = (name: string, stamp: Stamp, etag: string | undefined): Promise<SyncOutcome> =>
      life.alive ? Promise.resolve(this.take(name, stamp, etag)) : new Promise(() => {});
    return {
      put: (name: string, { stamp, etag }: ObjectInfo) => take(name, stamp, etag),
      remove: (name, at) => take(name, at, undefined),
    };
  }

  get there(): readonly string[] {
    const live = [...this.held].filter(([, { etag }]) => etag !== undefined);
    return live.map(([name, { stamp, etag }]) => `${name} ${etag} ${stamp}`).sort();
  }
}

function startSyncer(proxy: SimProxy, other: OtherSide): Syncer {
  const syncer = createSyncer({ targetOf: () => other.seenBy(proxy), warn: () => {} });
  const { engine } = proxy.running as NonNullable<SimProxy['running']>;
  Object.assign(engine, { sync: syncer.desk });
  syncer.start(engine);
  return syncer;
}

async function crashAmidWrites(cluster: SimCluster): Promise<{ here: string[]; other: OtherSide; reads: string[] }> {
  const { scheduler, chance } = cluster;
  await cluster.start();
  await scheduler.sleep(500);
  const [dying, living] = cluster.proxies as readonly [SimProxy, SimProxy];
  const other = new OtherSide();
  const syncers = [startSyncer(dying, other), startSyncer(living, other)];
  const put = (proxy: SimProxy, object: string, text: string) =>
    proxy.store.putObject(CONTEXT, { ...REF, object }, { body: bodyOf([Buffer.from(text)]) });
  const remove = (proxy: SimProxy, object: string) => proxy.store.deleteObject(CONTEXT, { ...REF, object });
  await living.store.createContainer(CONTEXT, REF, {});
  for (const name of ['before', 'k00']) await put(living, name, 'before');
  const metadata = { [SYNC_TO]: '//realm/cluster/a/c', [SYNC_KEY]: 'key' };
  await living.store.updateContainer(CONTEXT, REF, { metadata });
  await scheduler.sleep(3000);
  for (let life = 0; life < LIVES; life++) {
    for (let i = 0; i < WRITES; i++) {
      other.isAway = chance.below(3) === 0;
      const proxy = chance.below(4) === 0 ? living : dying;
      const name = `k${life}${chance.below(NAMES)}`;
      const isRemoval = chance.below(4) === 0;
      const write = isRemoval ? remove(proxy, name) : put(proxy, name, `${life} ${i}`);
      void write.catch(() => {});
      await scheduler.sleep(chance.below(3) > 0 ? chance.below(6) : chance.below(1000));
    }
    dying.crash();
    // The other one has something to tell, and meets the notes of the dead.
    await scheduler.sleep(chance.below(500));
    await put(living, `alive${life}`, 'alive').catch(() => {});
    await scheduler.sleep(chance.below(30_000));
    if (life === LIVES - 1) break;
    dying.start();
    startSyncer(dying, other);
  }
  other.isAway = false;
  await scheduler.sleep(SETTLED_MS);
  const page = await living.store.listObjects(CONTEXT, REF, { limit: 100 });
  const here = page.entries.flatMap((each) => ('name' in each ? [`${each.name} ${each.etag} ${each.stamp}`] : []));
  const reads = await readsOf(living, () => scheduler.sleep(IDLE_MS));
  for (const syncer of syncers.slice(1)) await syncer.stop();
  return { here: here.sort(), other, reads };
}

/** What the proxy asks devices for meanwhile, but what they know by heart. */
async function readsOf({ cluster }: SimProxy, work: () => Promise<void>): Promise<string[]> {
  const asked: string[] = [];
  for (const { peer } of cluster?.devices ?? []) {
    const { call } = peer;
    Object.assign(peer, {
      call: (method: string, ...rest: [never, never]) => {
        asked.push(method);
        return call.call(peer, method as never, ...rest);
      },
    });
  }
  await work();
  return asked.filter((method) => ['list', 'listAll', 'read', 'prepare'].includes(method));
}

t.test('what came to be is on the other side, whoever dies', async (t) => {
  let refused = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const cluster = new SimCluster({ seed });
    const { here, other, reads } = await cluster.scheduler.run(crashAmidWrites(cluster), STEPS_MAX);
    t.same(other.there, here, `seed ${seed}: ${here.length} objects`);
    t.ok(
      other.there.some((each) => each.startsWith('before ')),
      'what was there before',
    );
    t.same(reads, [], 'nothing to tell, nothing read');
    refused += other.refused;
  }
  t.ok(refused > 0, `${refused} times away`);
});
