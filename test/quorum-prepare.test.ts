/** Promises of a majority: who is asked for what, and that what is judged has its body whoever gave it. */
import t from 'tap';
import { stayAlive, systemClock } from '../fabric/clock.ts';
import { Fault, fabricFaults } from '../fabric/errors.ts';
import { createSeededRandom } from '../fabric/random.ts';
import type { Peer, Reply } from '../fabric/rpc/contract.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { createStampSource } from '../fabric/stamp.ts';
import { headBallot } from '../object-server/contract.ts';
import type { Device } from '../object-server/device.ts';
import { createObjectService } from '../object-server/service.ts';
import { createCluster } from '../proxy/cluster.ts';
import { prepareQuorum } from '../proxy/quorum-prepare.ts';
import { createSettledMarks } from '../proxy/settled.ts';
import { fiveZoneRing } from '../ring/five-zone-ring.ts';
import { createPathHasher } from '../ring/path-hash.ts';
import { apply, createBed, objectKey, put, stampAt } from './engine-bed.ts';

type Behaviour = 'answers' | 'fails' | 'hangs';

const key = objectKey(7);

/** Real devices behind peers that can be told to fail, or not to answer. Index: place among the key's primaries. */
async function createWorld(t: { teardown(run: () => Promise<void>): void }) {
  const awake = stayAlive();
  t.teardown(async () => awake.cancel());
  const ring = fiveZoneRing({ partPower: 4 });
  const behaviours = new Map<number, Behaviour>();
  const asked: { device: number; body: unknown }[] = [];
  const devices = new Map<number, Device>();
  const peers = new Map<number, Peer>();
  for (const { id } of ring.devices) {
    const bed = createBed();
    const device = await bed.open({ deviceId: id });
    t.teardown(async () => {
      await device.close();
      bed.remove();
    });
    devices.set(id, device);
    const local = createLocalPeer(`zone ${id}`, createObjectService(new Map([[id, device]])), { clock: systemClock });
    const call: Peer['call'] = (method, args, options) => {
      const how = behaviours.get(id) ?? 'answers';
      if (method === 'prepare') asked.push({ device: id, body: (args as { body?: boolean }).body });
      if (how === 'fails') return Promise.reject(new Fault(fabricFaults.unreachable, {}));
      if (how === 'hangs' && method === 'prepare') return new Promise<Reply>(() => {});
      return local.call(method, args, options);
    };
    peers.set(id, { name: `zone ${id}`, up: true, load: local.load, call, close: () => local.close() });
  }
  const stamps = createStampSource({ clock: systemClock, writerId: 1 });
  const settled = createSettledMarks(stamps, systemClock);
  const base = { clock: systemClock, random: createSeededRandom(1), stamps, settled, ring, peers };
  const cluster = createCluster({
    ...base,
    hashPath: createPathHasher({ prefix: Buffer.alloc(0), suffix: Buffer.from('x') }),
  });
  const ids = cluster.primaries(key).map(({ device }) => device) as [number, number, number];
  const held = (at: 0 | 1 | 2): Device => devices.get(ids[at]) as Device;
  const set = (at: 0 | 1 | 2, how: Behaviour): void => void behaviours.set(ids[at], how);
  return { cluster, asked, ids, held, set };
}

t.test('one is asked for the body', async (t) => {
  const { cluster, asked, ids, held } = await createWorld(t);
  for (const at of [0, 1, 2] as const) await apply(held(at), put(key, stampAt(10), { body: 'text' }));
  const prepared = await prepareQuorum(cluster, key, stampAt(20));
  t.same(
    asked,
    ids.map((device, at) => ({ device, body: at === 0 })),
  );
  t.ok(prepared.ok && prepared.unanimous);
  t.equal(prepared.ok && prepared.current?.body?.toString(), 'text');
});

t.test('a majority does, and has the body, when one fails, refuses or is slow', async (t) => {
  for (const how of ['fails', 'hangs', 'refuses'] as const) {
    const { cluster, held, set } = await createWorld(t);
    for (const at of [1, 2] as const) await apply(held(at), put(key, stampAt(10), { body: 'text' }));
    if (how === 'refuses') await held(0).prepare(key, stampAt(30));
    else set(0, how);
    const prepared = await prepareQuorum(cluster, key, stampAt(20));
    t.equal(prepared.ok && prepared.current?.body?.toString(), 'text', how);
    t.equal(prepared.ok && prepared.granted.length, 2);
    t.same(
      ([1, 2] as const).map((at) => held(at).promised(key)),
      [stampAt(20), stampAt(20)],
    );
  }
});

t.test('the newest state is taken with its own body', async (t) => {
  const { cluster, held, set } = await createWorld(t);
  set(2, 'fails');
  await apply(held(0), put(key, stampAt(10), { body: 'old' }));
  await apply(held(1), put(key, stampAt(11), { body: 'new' }));
  const prepared = await prepareQuorum(cluster, key, stampAt(20));
  t.equal(prepared.ok && prepared.current && headBallot(prepared.current.head), stampAt(11));
  t.equal(prepared.ok && prepared.current?.body?.toString(), 'new');
  t.equal(prepared.ok && prepared.unanimous, false);
});

t.test('no majority', async (t) => {
  const { cluster, held, set } = await createWorld(t);
  for (const at of [0, 2] as const) await apply(held(at), put(key, stampAt(40)));
  t.same(await prepareQuorum(cluster, key, stampAt(20)), { ok: false, ballot: stampAt(40) });
  for (const at of [0, 1, 2] as const) set(at, 'fails');
  await t.rejects(prepareQuorum(cluster, key, stampAt(50)), { code: 'QuorumUnavailable' });
});
