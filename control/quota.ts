/**
 * Quotas, exact: the count of what a project has lies in a row that is changed in the same transaction as the thing itself, so a
 * limit holds whatever runs at once and a crash leaves no difference. There are no reservations to expire: what a task may
 * still fail to make is counted from its row's creation and given back when the row goes.
 *
 *     await store.write(async (tx) => {
 *       await quotas.take(tx, projectId, { volumes: 1, gigabytes: size });
 *       tx.put(VOLUMES, id, row);
 *     });
 *
 * Tables: `<service>.quota_limits` (project or class → resource → limit), `<service>.quota_usage` (project → resource → in use).
 */
import { assert } from '../fabric/assert.ts';
import { Fault } from '../fabric/errors.ts';
import { defineTable, joinKey, type ReadTx, type Table, type WriteTx } from './contract.ts';
import { apiFaults } from './service/faults.ts';

export const UNLIMITED = -1;
/** The class that everybody is in. */
export const DEFAULT_CLASS = 'default';

/** Resource to number; resources of one kind and type have names of their own: `volumes_ssd`. */
export type Amounts = Readonly<Record<string, number>>;

export interface QuotaRow {
  readonly limit: number;
  readonly inUse: number;
}

export interface Quotas {
  /** Adds to what is in use; Fault OverQuota with `resource`, `limit`, `used`, `asked` where one would pass its limit. Negative gives back. */
  take(tx: WriteTx, projectId: string, amounts: Amounts): Promise<void>;
  /** As `take` of the negatives; never below zero. */
  give(tx: WriteTx, projectId: string, amounts: Amounts): Promise<void>;
  /** Every resource with a default or a limit or a use of its own. */
  show(tx: ReadTx, projectId: string): Promise<Record<string, QuotaRow>>;
  /** Limits without a project's own. */
  defaults(tx: ReadTx): Promise<Record<string, number>>;
  /** Fault OverQuota when below what is in use, unless `force`. */
  setLimits(tx: WriteTx, projectId: string, limits: Amounts, options?: { readonly force?: boolean }): Promise<void>;
  setClass(tx: WriteTx, name: string, limits: Amounts): Promise<void>;
  showClass(tx: ReadTx, name: string): Promise<Record<string, number>>;
  /** The project's own limits go, not its use. */
  resetLimits(tx: WriteTx, projectId: string): void;
}

export interface QuotaOptions {
  readonly service: string;
  /** Limits as built in. */
  readonly defaults: Amounts;
  /** For resources that are in no table, e.g. those of volume types: unlimited. */
  readonly isResource?: (name: string) => boolean;
}

interface Stored {
  readonly numbers: Amounts;
}

export function createQuotas({
  service,
  defaults,
  isResource = (name) => Object.hasOwn(defaults, name),
}: QuotaOptions): Quotas {
  const limits: Table<Stored> = defineTable(`${service}.quota_limits`);
  const usage: Table<Stored> = defineTable(`${service}.quota_usage`);
  const projectKey = (id: string): string => joinKey('project', id);
  const classKey = (name: string): string => joinKey('class', name);
  const read = async (tx: ReadTx, table: Table<Stored>, key: string): Promise<Amounts> =>
    (await tx.get(table, key))?.numbers ?? {};
  const classLimits = async (tx: ReadTx): Promise<Amounts> => ({
    ...defaults,
    ...(await read(tx, limits, classKey(DEFAULT_CLASS))),
  });
  const limitsOf = async (tx: ReadTx, projectId: string): Promise<Amounts> => ({
    ...(await classLimits(tx)),
    ...(await read(tx, limits, projectKey(projectId))),
  });
  const check = (amounts: Amounts): void => {
    for (const [name, amount] of Object.entries(amounts)) {
      if (!isResource(name)) throw new Fault(apiFaults.badRequest, {}, `Bad key in quota set: ${name.slice(0, 64)}`);
      assert(Number.isSafeInteger(amount), 'amounts of quotas are whole numbers');
    }
  };
  const quotas: Quotas = {
    async take(tx, projectId, amounts) {
      check(amounts);
      const used = await read(tx, usage, projectId);
      const bounds = await limitsOf(tx, projectId);
      const next: Record<string, number> = { ...used };
      for (const [resource, asked] of Object.entries(amounts)) {
        const before = used[resource] ?? 0;
        const limit = bounds[resource] ?? UNLIMITED;
        if (asked > 0 && limit !== UNLIMITED && before + asked > limit)
          throw over({ resource, limit, used: before, asked });
        next[resource] = Math.max(0, before + asked);
      }
      tx.put(usage, projectId, { numbers: next });
    },
    give(tx, projectId, amounts) {
      return quotas.take(tx, projectId, Object.fromEntries(Object.entries(amounts).map(([name, one]) => [name, -one])));
    },
    async show(tx, projectId) {
      const bounds = await limitsOf(tx, projectId);
      const used = await read(tx, usage, projectId);
      const names = [...new Set([...Object.keys(bounds), ...Object.keys(used)])];
      return Object.fromEntries(
        names.map((name) => [name, { limit: bounds[name] ?? UNLIMITED, inUse: used[name] ?? 0 }]),
      );
    },
    async defaults(tx) {
      return { ...(await classLimits(tx)) };
    },
    async setLimits(tx, projectId, wanted, { force = false } = {}) {
      check(wanted);
      const used = await read(tx, usage, projectId);
      for (const [resource, limit] of Object.entries(wanted)) {
        checkLimit(resource, limit);
        const inUse = used[resource] ?? 0;
        if (!force && limit !== UNLIMITED && limit < inUse) throw over({ resource, limit, used: inUse, asked: 0 });
      }
      const key = projectKey(projectId);
      tx.put(limits, key, { numbers: { ...(await read(tx, limits, key)), ...wanted } });
    },
    async setClass(tx, name, wanted) {
      check(wanted);
      for (const [resource, limit] of Object.entries(wanted)) checkLimit(resource, limit);
      tx.put(limits, classKey(name), { numbers: { ...(await read(tx, limits, classKey(name))), ...wanted } });
    },
    async showClass(tx, name) {
      return { ...defaults, ...(await read(tx, limits, classKey(name))) };
    },
    resetLimits(tx, projectId) {
      tx.delete(limits, projectKey(projectId));
    },
  };
  return quotas;
}

function checkLimit(resource: string, limit: number): void {
  if (limit < UNLIMITED) throw new Fault(apiFaults.badRequest, {}, `Quota limit of ${resource} must be -1 or greater.`);
}

function over(details: { resource: string; limit: number; used: number; asked: number }): Fault {
  const { resource, limit, used, asked } = details;
  const message = `Quota exceeded for resources: ${resource} (limit ${limit}, in use ${used}, asked for ${asked}).`;
  return new Fault(apiFaults.overQuota, details, message);
}
