// The controller dies at every write and every call of every action, before and after it; the next one must bring each volume,
// snapshot, backup and quota into a state that is true, and finish what had been begun. Then every call of a host fails for good.
import t from 'tap';
import { Fault } from '../../fabric/errors.ts';
import {
  type CrashBed,
  type CrashPoint,
  disagreements,
  freshRemains,
  type Remains,
  startCrashBed,
} from '../../test/cinder-crash-bed.ts';
import { backups, groupSnapshots, groups, snapshots, volumes } from './tables.ts';

t.setTimeout(120_000);
/** No action has so many steps. */
const POINTS_MAX = 60;

type Ids = Readonly<Record<string, string>>;

interface Action {
  readonly name: string;
  /** What has to be there; nothing dies here. */
  prepare(bed: CrashBed): Promise<Ids>;
  act(bed: CrashBed, ids: Ids): Promise<unknown>;
}

async function make(bed: CrashBed, kind: 'volume' | 'snapshot' | 'backup', body: object): Promise<string> {
  const reply = await bed.call('POST', `/${kind}s`, { [kind]: body });
  if (reply.status !== 202) throw new Error(`${kind}: ${reply.status} ${JSON.stringify(reply.body)}`);
  await bed.quiet();
  return reply.body[kind]?.['id'] as string;
}

const volume = async (bed: CrashBed): Promise<{ id: string }> => ({ id: await make(bed, 'volume', { size: 1 }) });
const withSnapshot = async (bed: CrashBed) => {
  const { id } = await volume(bed);
  return { id, snapshot: await make(bed, 'snapshot', { volume_id: id }) };
};
const withBackup = async (bed: CrashBed) => {
  const { id } = await volume(bed);
  return { id, backup: await make(bed, 'backup', { volume_id: id }) };
};
const attached = async (bed: CrashBed) => {
  const { id } = await volume(bed);
  const connector = { host: 'h1' };
  const reply = await bed.call('POST', '/attachments', { attachment: { volume_uuid: id, connector } });
  return { id, attachment: reply.body['attachment']?.['id'] as string };
};
const offered = async (bed: CrashBed) => {
  const { id } = await volume(bed);
  const { body } = await bed.call('POST', '/volume-transfers', { transfer: { volume_id: id } });
  return { id, transfer: body['transfer']?.['id'] as string, key: body['transfer']?.['auth_key'] as string };
};
const inGroup = async (bed: CrashBed, count = 2) => {
  await bed.call('POST', '/group_types', { group_type: { name: 'g' } });
  const asked = { group_type: 'g', volume_types: ['__DEFAULT__'] };
  const group = (await bed.call('POST', '/groups', { group: asked })).body['group']?.['id'] as string;
  const member = { size: 1, volume_type: '__DEFAULT__', group_id: group };
  for (let i = 0; i < count; i++) await bed.call('POST', '/volumes', { volume: member });
  await bed.quiet();
  return { group };
};
const withGroupSnapshot = async (bed: CrashBed) => {
  const ids = await inGroup(bed);
  const { body } = await bed.call('POST', '/group_snapshots', { group_snapshot: { group_id: ids.group } });
  await bed.quiet();
  return { ...ids, taken: body['group_snapshot']?.['id'] as string };
};
const other = async (bed: CrashBed) => {
  const { id } = await volume(bed);
  const host = (await bed.store.read((tx) => volumes.get(tx, id)))?.host;
  return { id, host: host === 'h1' ? 'h2' : 'h1' };
};
const act = (bed: CrashBed, id: string | undefined, body: object) => bed.call('POST', `/volumes/${id}/action`, body);

const dropGroup = (bed: CrashBed, id: string | undefined) =>
  bed.call('POST', `/groups/${id}/action`, { delete: { 'delete-volumes': true } });

const ACTIONS: readonly Action[] = [
  { name: 'create', prepare: async () => ({}), act: (bed) => bed.call('POST', '/volumes', { volume: { size: 1 } }) },
  {
    name: 'create from a snapshot',
    prepare: withSnapshot,
    act: (bed, { snapshot }) => bed.call('POST', '/volumes', { volume: { snapshot_id: snapshot } }),
  },
  {
    name: 'copy',
    prepare: volume,
    act: (bed, { id }) => bed.call('POST', '/volumes', { volume: { source_volid: id } }),
  },
  { name: 'delete', prepare: volume, act: (bed, { id }) => bed.call('DELETE', `/volumes/${id}`) },
  {
    name: 'delete with snapshots',
    prepare: withSnapshot,
    act: (bed, { id }) => bed.call('DELETE', `/volumes/${id}?cascade=true`),
  },
  { name: 'extend', prepare: volume, act: (bed, { id }) => act(bed, id, { 'os-extend': { new_size: 3 } }) },
  {
    name: 'snapshot',
    prepare: volume,
    act: (bed, { id }) => bed.call('POST', '/snapshots', { snapshot: { volume_id: id } }),
  },
  {
    name: 'delete snapshot',
    prepare: withSnapshot,
    act: (bed, { snapshot }) => bed.call('DELETE', `/snapshots/${snapshot}`),
  },
  {
    name: 'revert',
    prepare: withSnapshot,
    act: (bed, { id, snapshot }) => act(bed, id, { revert: { snapshot_id: snapshot } }),
  },
  {
    name: 'backup',
    prepare: volume,
    act: (bed, { id }) => bed.call('POST', '/backups', { backup: { volume_id: id } }),
  },
  {
    name: 'incremental backup',
    prepare: withBackup,
    act: (bed, { id }) => bed.call('POST', '/backups', { backup: { volume_id: id, incremental: true } }),
  },
  {
    name: 'backup of a snapshot',
    prepare: withSnapshot,
    act: (bed, { id, snapshot }) => bed.call('POST', '/backups', { backup: { volume_id: id, snapshot_id: snapshot } }),
  },
  {
    name: 'restore into a new volume',
    prepare: withBackup,
    act: (bed, { backup }) => bed.call('POST', `/backups/${backup}/restore`, { restore: {} }),
  },
  {
    name: 'restore into its volume',
    prepare: withBackup,
    act: (bed, { id, backup }) => bed.call('POST', `/backups/${backup}/restore`, { restore: { volume_id: id } }),
  },
  { name: 'delete backup', prepare: withBackup, act: (bed, { backup }) => bed.call('DELETE', `/backups/${backup}`) },
  {
    name: 'attach',
    prepare: volume,
    act: (bed, { id }) =>
      bed.call('POST', '/attachments', { attachment: { volume_uuid: id, connector: { host: 'x' } } }),
  },
  { name: 'detach', prepare: attached, act: (bed, { attachment }) => bed.call('DELETE', `/attachments/${attachment}`) },
  {
    name: 'initialize',
    prepare: volume,
    act: (bed, { id }) => act(bed, id, { 'os-initialize_connection': { connector: { host: 'x' } } }),
  },
  {
    name: 'transfer',
    prepare: offered,
    act: (bed, { transfer, key }) =>
      bed.call('POST', `/volume-transfers/${transfer}/accept`, { accept: { auth_key: key } }),
  },
  { name: 'migrate', prepare: other, act: (bed, { id, host }) => act(bed, id, { 'os-migrate_volume': { host } }) },
  {
    name: 'group snapshot',
    prepare: inGroup,
    act: (bed, { group }) => bed.call('POST', '/group_snapshots', { group_snapshot: { group_id: group } }),
  },
  {
    name: 'delete group snapshot',
    prepare: withGroupSnapshot,
    act: (bed, { taken }) => bed.call('DELETE', `/group_snapshots/${taken}`),
  },
  {
    name: 'group of a group snapshot',
    prepare: withGroupSnapshot,
    act: (bed, { taken }) => bed.call('POST', '/groups/action', { 'create-from-src': { group_snapshot_id: taken } }),
  },
  {
    name: 'group of a group',
    prepare: inGroup,
    act: (bed, { group }) => bed.call('POST', '/groups/action', { 'create-from-src': { source_group_id: group } }),
  },
  {
    name: 'delete group',
    prepare: inGroup,
    act: (bed, { group }) => dropGroup(bed, group),
  },
  {
    name: 'delete group while it is made',
    prepare: (bed) => inGroup(bed, 1),
    async act(bed, { group }) {
      const source = { source_group_id: group };
      const { body } = await bed.call('POST', '/groups/action', { 'create-from-src': source });
      return dropGroup(bed, body['group']?.['id'] as string);
    },
  },
  {
    name: 'force delete while it is made',
    prepare: async () => ({}),
    async act(bed) {
      const { body } = await bed.call('POST', '/volumes', { volume: { size: 1 } });
      return act(bed, body['volume']?.['id'] as string, { 'os-force_delete': null });
    },
  },
];

/** One life that ends at the point, one that finds what is left; false when the action ended before the point. */
async function dieAt(
  action: Action,
  point: CrashPoint,
): Promise<{ reached: boolean; wrong: string[]; remains: Remains; next: CrashBed }> {
  const remains = freshRemains();
  const first = await startCrashBed(remains);
  const ids = await action.prepare(first);
  first.life.operations = 0;
  first.life.point = point;
  await action.act(first, ids);
  await Promise.race([first.quiet(), first.life.died]);
  const reached = first.life.dead;
  await first.kill();
  const next = await startCrashBed(remains);
  await next.quiet();
  const wrong = [...(await disagreements(next.store, remains)), ...(await failures(next))];
  return { reached, wrong, remains, next };
}

const everything = ({ store }: CrashBed) =>
  store.read(async (tx) => [
    ...(await volumes.all(tx)),
    ...(await snapshots.all(tx)),
    ...(await backups.all(tx)),
    ...(await groups.all(tx)),
    ...(await groupSnapshots.all(tx)),
  ]);

/** A death alone makes nothing fail. */
async function failures(bed: CrashBed): Promise<string[]> {
  const rows = await everything(bed);
  return rows.filter(({ status }) => status.startsWith('error')).map(({ id, status }) => `${id} is ${status}`);
}

t.test('the controller dies at every step', async (t) => {
  let deaths = 0;
  await Promise.all(
    ACTIONS.map(async (action) => {
      for (let at = 1; at <= POINTS_MAX; at++) {
        // Before an operation is after the one before it.
        const one = await dieAt(action, { at, when: 'after' });
        if (one.wrong.length > 0) t.fail(`${action.name}, after ${at}: ${one.wrong.join('; ')}`);
        if (one.reached) deaths++;
        await one.next.kill();
        if (!one.reached) return t.ok(at > 2, `${action.name}: ${at - 1} steps`);
      }
      return t.fail(`${action.name} never ended`);
    }),
  );
  t.comment(`${deaths} deaths`);
  t.ok(deaths > 120, 'deaths at every step of every action');
});

const LOOKS = ['hostStatus', 'volumes', 'snapshots'];

t.test('hosts that fail for good: states are true, and all can be deleted', async (t) => {
  let tried = 0;
  await Promise.all(
    ACTIONS.map(async (action) => {
      for (const method of await methodsOf(action)) {
        const { wrong, left } = await failAt(action, method);
        if (wrong.length + left.length > 0)
          t.fail(`${action.name} without ${method}: ${wrong.join('; ')} ${JSON.stringify(left)}`);
        tried++;
      }
    }),
  );
  t.ok(tried > 30, `${tried} failures`);
});

async function methodsOf(action: Action): Promise<string[]> {
  const remains = freshRemains();
  const bed = await startCrashBed(remains);
  const ids = await action.prepare(bed);
  for (const { calls } of remains.agents) calls.length = 0;
  await action.act(bed, ids);
  await bed.quiet();
  await bed.kill();
  return [...new Set(remains.agents.flatMap(({ calls }) => calls))].filter((name) => !LOOKS.includes(name));
}

async function failAt(action: Action, method: string) {
  const remains = freshRemains();
  const first = await startCrashBed(remains);
  const ids = await action.prepare(first);
  for (const agent of remains.agents) agent.failures.set(method, new Fault('VolumeBroken', {}, 'the host failed'));
  await action.act(first, ids);
  await first.quiet();
  for (const agent of remains.agents) agent.failures.clear();
  await deleteAll(first);
  await first.kill();
  // What could not be cleared away then, a start clears away.
  const bed = await startCrashBed(remains);
  await bed.cleared();
  const wrong = await disagreements(bed.store, remains);
  const left = await everything(bed);
  await bed.kill();
  return { wrong, left };
}

async function deleteAll(bed: CrashBed): Promise<void> {
  const { store } = bed;
  for (const { id } of await store.read((tx) => backups.all(tx)))
    await bed.call('POST', `/backups/${id}/action`, { 'os-force_delete': null });
  for (const { id } of await store.read((tx) => groupSnapshots.all(tx)))
    await bed.call('DELETE', `/group_snapshots/${id}`);
  for (const { id } of await store.read((tx) => snapshots.all(tx)))
    await bed.call('POST', `/snapshots/${id}/action`, { 'os-force_delete': null });
  await bed.quiet();
  for (const { id } of await store.read((tx) => groups.all(tx))) await dropGroup(bed, id);
  await bed.quiet();
  for (const { id } of await store.read((tx) => volumes.all(tx))) await act(bed, id, { 'os-force_delete': null });
  await bed.quiet();
}
