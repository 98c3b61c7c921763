// A proxy dies somewhere between noting an event and telling it: another one tells what came to be. Seeds are printed.
import t from 'tap';
import type { ContainerRef, Context } from '../../proxy/object/contract.ts';
import { createNotifier, type Notifier } from '../../proxy/object/notifier.ts';
import { bodyOf } from '../s3-signer.ts';
import { SimCluster } from './sim-cluster.ts';
import type { SimProxy } from './sim-proxy.ts';

const SEEDS = 6;
const WRITES = 6;
const STEPS_MAX = 1_000_000;
/** For unsettled operations, clocks that differ by a minute, and notes that are left to others. */
const SETTLED_MS = 240_000;
const REF: ContainerRef = { account: 'AUTH_sim', container: 'c' };
const CONTEXT: Context = {
  transId: 'sim',
  caller: { account: 'AUTH_sim', user: 'sim:sim', groups: [], admin: true },
};
const RULE = { id: 'all', kind: 'Queue', arn: '', target: 'hook', events: ['ObjectCreated:*', 'ObjectRemoved:*'] };

interface Told {
  readonly by: SimProxy;
  readonly what: string;
}

function listen(proxy: SimProxy, told: Told[]): Notifier {
  const { life } = proxy;
  const send = async (body: string): Promise<boolean> => {
    if (!life.alive) return new Promise(() => {});
    const { eventName, s3 } = JSON.parse(body).Records[0];
    told.push({ by: proxy, what: `${eventName} ${s3.object.key} ${s3.object.eTag ?? ''}` });
    return true;
  };
  const notifier = createNotifier({ targets: [{ name: 'hook', send }], region: 'sim', warn: () => {} });
  const { engine } = proxy.running as NonNullable<SimProxy['running']>;
  Object.assign(engine, { events: notifier.desk });
  notifier.start(engine);
  return notifier;
}

async function crashAmidWrites(cluster: SimCluster): Promise<{ missing: string[]; byOther: number }> {
  const { scheduler, chance } = cluster;
  await cluster.start();
  await scheduler.sleep(500);
  const [dying, living] = cluster.proxies as readonly [SimProxy, SimProxy];
  const told: Told[] = [];
  const notifiers = [listen(dying, told), listen(living, told)];
  await living.store.createContainer(CONTEXT, REF, {});
  await living.store.updateContainer(CONTEXT, REF, { s3: { notification: [RULE] } });
  await scheduler.sleep(3000);
  const put = (object: string) =>
    dying.store.putObject(CONTEXT, { ...REF, object }, { body: bodyOf([Buffer.from(object)]) });
  const acknowledged: string[] = [];
  for (let i = 0; i < WRITES; i++) {
    void put(`k${i}`).then(
      ({ etag }) => void acknowledged.push(`ObjectCreated:Put k${i} ${etag}`),
      () => {},
    );
    await scheduler.sleep(chance.below(8));
  }
  dying.crash();
  await scheduler.sleep(SETTLED_MS);
  for (const notifier of notifiers) notifier.stop();
  const page = await living.store.listObjects(CONTEXT, REF, { limit: 100 });
  const there = page.entries.flatMap((each) => ('name' in each ? [`ObjectCreated:Put ${each.name} ${each.etag}`] : []));
  const heard = new Set(told.map(({ what }) => what));
  const missing = [...acknowledged, ...there].filter((each) => !heard.has(each));
  return { missing, byOther: told.filter(({ by }) => by === living).length };
}

t.test('what came to be is told, whoever dies', async (t) => {
  let byOther = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const cluster = new SimCluster({ seed });
    const done = await cluster.scheduler.run(crashAmidWrites(cluster), STEPS_MAX);
    t.same(done.missing, [], `seed ${seed}`);
    byOther += done.byOther;
  }
  t.ok(byOther > 0, `${byOther} events of the dead told by others`);
});
