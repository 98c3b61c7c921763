/** /os-quota-sets, /os-quota-class-sets, /limits: what projects may have and what they use. */
import type { ReadTx } from '../../../control/contract.ts';
import { DEFAULT_CLASS, type QuotaRow } from '../../../control/quota.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Call, type Route, route } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import { badRequest } from '../refusals.ts';
import { types } from '../tables.ts';
import { type Body, bool, flag, isAdmin, projectOf } from './shared.ts';

const LIMITS = { type: 'object', additionalProperties: { type: ['integer', 'string', 'boolean'] } };
const SET = schema<{ readonly quota_set: Body }>({
  type: 'object',
  properties: { quota_set: { ...LIMITS, minProperties: 1 } },
  required: ['quota_set'],
  additionalProperties: false,
});
const CLASS = schema<{ readonly quota_class_set: Body }>({
  type: 'object',
  properties: { quota_class_set: LIMITS },
  required: ['quota_class_set'],
  additionalProperties: false,
});
const LIMIT_MAX = 2 ** 31 - 1;

export function quotaRoutes(cinder: Cinder): Route[] {
  const { store, quotas } = cinder;
  const path = '/os-quota-sets/{target_project_id}';
  const rules = 'volume_extension:quotas';
  return [
    route({
      ...{ name: 'quotas:show', method: 'GET', path, policy: `${rules}:show` },
      async run(call) {
        const project = call.params.target_project_id;
        const rows = await store.read((tx) => quotasOf(cinder, tx, project));
        const usage = flag(call, 'usage');
        const shown = ([name, row]: [string, QuotaRow]) => [
          name,
          usage ? { limit: row.limit, in_use: row.inUse, reserved: 0 } : row.limit,
        ];
        return { body: { quota_set: { id: project, ...Object.fromEntries(Object.entries(rows).map(shown)) } } };
      },
    }),
    route({
      ...{ name: 'quotas:update', method: 'PUT', path, policy: `${rules}:update`, body: SET },
      async run(call) {
        const project = call.params.target_project_id;
        const { skip_validation, force, tenant_id: _, project_id: __, id: ___, ...asked } = call.body.quota_set;
        const limits = numbers(asked);
        const isForced = bool(skip_validation) || bool(force);
        await store.write(async (tx) => {
          checkNames(limits, await quotasOf(cinder, tx, project), isForced);
          await quotas.setLimits(tx, project, limits, { force: true });
        });
        const rows = await store.read((tx) => quotasOf(cinder, tx, project));
        return {
          body: { quota_set: Object.fromEntries(Object.entries(rows).map(([name, { limit }]) => [name, limit])) },
        };
      },
    }),
    route({
      ...{ name: 'quotas:delete', method: 'DELETE', path, status: 200, policy: `${rules}:delete` },
      async run(call) {
        await store.write(async (tx) => quotas.resetLimits(tx, call.params.target_project_id));
        return {};
      },
    }),
    route({
      ...{ name: 'quotas:defaults', method: 'GET', path: `${path}/defaults`, policy: `${rules}:show` },
      async run(call) {
        const limits = await store.read(async (tx) => ({ ...(await typed(tx)), ...(await quotas.defaults(tx)) }));
        return { body: { quota_set: { id: call.params.target_project_id, ...limits } } };
      },
    }),
    ...classRoutes(cinder),
    route({
      ...{ name: 'limits:show', method: 'GET', path: '/limits', policy: 'limits_extension:used_limits' },
      async run(call) {
        const asked =
          call.version.atLeast('3.39') && isAdmin(call)
            ? (call.query.get('project_id') ?? call.query.get('tenant_id'))
            : undefined;
        const project = asked ?? projectOf(call);
        return {
          body: { limits: { rate: [], absolute: absolute(await store.read((tx) => quotas.show(tx, project))) } },
        };
      },
    }),
  ];
}

function classRoutes({ store, quotas }: Cinder): Route[] {
  const path = '/os-quota-class-sets/{class_name}';
  const check = (call: Call & { params: { class_name: string } }): string => {
    if (call.params.class_name === DEFAULT_CLASS) return DEFAULT_CLASS;
    throw badRequest(`There is one class of quotas, ${DEFAULT_CLASS}.`);
  };
  return [
    route({
      ...{ name: 'quota-classes:show', method: 'GET', path, policy: 'volume_extension:quota_classes:get' },
      async run(call) {
        const name = check(call);
        const limits = await store.read(async (tx) => ({
          ...(await typed(tx)),
          ...(await quotas.showClass(tx, name)),
        }));
        return { body: { quota_class_set: { id: name, ...limits } } };
      },
    }),
    route({
      ...{
        name: 'quota-classes:update',
        method: 'PUT',
        path,
        policy: 'volume_extension:quota_classes:update',
        body: CLASS,
      },
      async run(call) {
        const name = check(call);
        const { id: _, class_name: __, ...asked } = call.body.quota_class_set;
        const limits = numbers(asked);
        await store.write((tx) => quotas.setClass(tx, name, limits));
        const shown = async (tx: ReadTx): Promise<Body> => ({
          ...(await typed(tx)),
          ...(await quotas.showClass(tx, name)),
        });
        return { body: { quota_class_set: await store.read(shown) } };
      },
    }),
  ];
}

/** Those of volume types are there whether or not anybody has set one. */
async function typed(tx: ReadTx): Promise<Record<string, number>> {
  const kinds = ['volumes', 'gigabytes', 'snapshots'];
  return Object.fromEntries((await types.all(tx)).flatMap(({ name }) => kinds.map((kind) => [`${kind}_${name}`, -1])));
}

async function quotasOf({ quotas }: Cinder, tx: ReadTx, project: string): Promise<Record<string, QuotaRow>> {
  const none = Object.fromEntries(Object.entries(await typed(tx)).map(([name, limit]) => [name, { limit, inUse: 0 }]));
  return { ...none, ...(await quotas.show(tx, project)) };
}

/** Whether there are such quotas, and what is in use is within them. */
function checkNames(limits: Readonly<Record<string, number>>, rows: Record<string, QuotaRow>, isForced: boolean): void {
  for (const [name, limit] of Object.entries(limits)) {
    const row = rows[name];
    if (row === undefined) throw badRequest(`Invalid input received: Bad key(s) in quota set: ${name.slice(0, 64)}`);
    if (isForced || limit === -1 || limit >= row.inUse) continue;
    throw badRequest(
      `Quota ${name} limit must be equal or greater than existing resources. Current usage is ${row.inUse} and the requested limit is ${limit}.`,
    );
  }
}

function numbers(asked: Body): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const [name, value] of Object.entries(asked)) {
    const limit = typeof value === 'boolean' || value === '' ? Number.NaN : Number(value);
    if (!Number.isSafeInteger(limit) || limit < -1 || limit > LIMIT_MAX)
      throw badRequest(
        `Invalid value '${String(value).slice(0, 32)}' for ${name.slice(0, 64)}: a whole number from -1 to ${LIMIT_MAX}.`,
      );
    limits[name] = limit;
  }
  return limits;
}

function absolute(rows: Readonly<Record<string, QuotaRow>>): Body {
  const limit = (name: string): number => rows[name]?.limit ?? -1;
  const used = (name: string): number => rows[name]?.inUse ?? 0;
  return {
    ...{ maxTotalVolumes: limit('volumes'), maxTotalSnapshots: limit('snapshots') },
    ...{ maxTotalVolumeGigabytes: limit('gigabytes'), maxTotalBackups: limit('backups') },
    maxTotalBackupGigabytes: limit('backup_gigabytes'),
    ...{
      totalVolumesUsed: used('volumes'),
      totalGigabytesUsed: used('gigabytes'),
      totalSnapshotsUsed: used('snapshots'),
    },
    ...{ totalBackupsUsed: used('backups'), totalBackupGigabytesUsed: used('backup_gigabytes') },
  };
}
