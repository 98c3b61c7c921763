/**
 * What a new deployment has: the domain Default, the projects admin and service, the usual roles and what they imply, the
 * administrator, regions and the catalog. Run at every start: it makes what is missing, keeps endpoints' URLs up to date, and
 * changes nothing else. A password that the administrator changed stays.
 */
import { joinKey, type ReadTx, type WriteTx } from '../../control/contract.ts';
import { findService } from './api/catalog.ts';
import { grant, SYSTEM } from './model/assignments.ts';
import { createProject, findProject } from './model/projects.ts';
import { createRole, findRole } from './model/roles.ts';
import type { Moment } from './model/rows.ts';
import { createUser, findUser, setPassword } from './model/users.ts';
import { type Identity, moment } from './service-state.ts';
import { type PlainRow, type RoleRow, tables, type UserRow } from './tables.ts';

export const DEFAULT_DOMAIN_ID = 'default';
const ROLES = ['admin', 'manager', 'member', 'reader', 'service'] as const;
const IMPLIED: readonly (readonly [string, string])[] = [
  ['admin', 'manager'],
  ['manager', 'member'],
  ['member', 'reader'],
];
const INTERFACES = ['public', 'internal', 'admin'] as const;

/** URLs of the interfaces are all this one unless told apart. May hold `%(project_id)s`. */
export interface CatalogEntry {
  readonly type: string;
  readonly name: string;
  readonly region: string;
  readonly url: string;
  readonly internalUrl?: string;
  readonly adminUrl?: string;
}

export interface BootstrapOptions {
  readonly adminPassword: string;
  readonly adminName?: string;
  readonly adminProject?: string;
  /** Others than those of `endpoints`. */
  readonly regions?: readonly string[];
  readonly endpoints: readonly CatalogEntry[];
}

export interface Bootstrapped {
  readonly adminId: string;
  readonly projectId: string;
}

export async function bootstrapIdentity(identity: Identity, options: BootstrapOptions): Promise<Bootstrapped> {
  const { adminName = 'admin', adminProject = 'admin' } = options;
  const known = await identity.store.read((tx) => findUser(tx, DEFAULT_DOMAIN_ID, adminName));
  // Hashing takes a while: only for a new administrator, and before the transaction.
  const hash = known === undefined ? await identity.passwords.hash(options.adminPassword) : undefined;
  return await identity.store.write(async (tx) => {
    const at = moment(identity);
    await ensureDomain(tx, at);
    const projectId = await ensureProject(tx, at, adminProject);
    await ensureProject(tx, at, 'service');
    const roles = await ensureRoles(tx, at);
    const admin = await ensureAdmin(tx, at, { identity, name: adminName, hash, projectId });
    const roleId = (roles.get('admin') as RoleRow).id;
    const actor = { actor: 'user', actorId: admin.id, roleId, inherited: false } as const;
    if (known === undefined) {
      grant(tx, { ...actor, target: 'project', targetId: projectId });
      grant(tx, { ...actor, target: 'domain', targetId: DEFAULT_DOMAIN_ID });
      grant(tx, { ...actor, ...SYSTEM });
    }
    await ensureCatalog(tx, at, options);
    return { adminId: admin.id, projectId };
  });
}

const PLAIN = { enabled: true, tags: [], options: {}, extra: {} } as const;

async function ensureDomain(tx: WriteTx, at: Moment): Promise<void> {
  if ((await tx.get(tables.projects, DEFAULT_DOMAIN_ID)) !== undefined) return;
  const input = { ...PLAIN, id: DEFAULT_DOMAIN_ID, name: 'Default', isDomain: true, domainId: '', parentId: '' };
  await createProject(tx, { ...input, description: 'The default domain' }, { moment: at, depthMax: 1 });
}

async function ensureProject(tx: WriteTx, at: Moment, name: string): Promise<string> {
  const found = await findProject(tx, DEFAULT_DOMAIN_ID, name);
  if (found !== undefined) return found.id;
  const input = { ...PLAIN, name, isDomain: false, domainId: DEFAULT_DOMAIN_ID, parentId: '', description: '' };
  return (await createProject(tx, input, { moment: at, depthMax: 2 })).id;
}

async function ensureRoles(tx: WriteTx, at: Moment): Promise<Map<string, RoleRow>> {
  const roles = new Map<string, RoleRow>();
  let isNew = false;
  for (const name of ROLES) {
    const found = await findRole(tx, name);
    isNew ||= found === undefined;
    const input = { name, domainId: '', description: null, options: { immutable: true }, extra: {} };
    roles.set(name, found ?? (await createRole(tx, input, at)));
  }
  // What an operator took away later is not put back.
  if (!isNew) return roles;
  for (const [prior, implied] of IMPLIED) {
    tx.put(tables.impliedRoles, joinKey((roles.get(prior) as RoleRow).id, (roles.get(implied) as RoleRow).id), true);
  }
  return roles;
}

interface AdminAsk {
  readonly identity: Identity;
  readonly name: string;
  readonly hash: string | undefined;
  readonly projectId: string;
}

async function ensureAdmin(tx: WriteTx, at: Moment, { identity, name, hash, projectId }: AdminAsk): Promise<UserRow> {
  const found = await findUser(tx, DEFAULT_DOMAIN_ID, name);
  if (found !== undefined || hash === undefined) return found as UserRow;
  const input = {
    name,
    domainId: DEFAULT_DOMAIN_ID,
    enabled: true,
    defaultProjectId: projectId,
    options: {},
    extra: {},
  };
  const user = await createUser(tx, input, at);
  await setPassword(tx, { user, hash, selfService: true, settings: identity.settings, nowMs: at.nowMs });
  return user;
}

async function ensureCatalog(tx: WriteTx, at: Moment, { regions = [], endpoints }: BootstrapOptions): Promise<void> {
  for (const id of new Set([...regions, ...endpoints.map(({ region }) => region)])) {
    if ((await tx.get(tables.regions, id)) === undefined)
      tx.put(tables.regions, id, { id, description: '', parent_region_id: null });
  }
  for (const entry of endpoints) {
    const service = await ensureService(tx, at, entry);
    const urls = { public: entry.url, internal: entry.internalUrl ?? entry.url, admin: entry.adminUrl ?? entry.url };
    for (const name of INTERFACES)
      await ensureEndpoint(tx, at, { service, name, region: entry.region, url: urls[name] });
  }
}

async function ensureService(tx: WriteTx, at: Moment, { type, name }: CatalogEntry): Promise<PlainRow> {
  const found = await findService(tx, type);
  if (found !== undefined) return found;
  const row = { id: at.newId(), type, name, enabled: true, description: '' };
  tx.put(tables.services, row.id, row);
  return row;
}

interface EndpointAsk {
  readonly service: PlainRow;
  readonly name: (typeof INTERFACES)[number];
  readonly region: string;
  readonly url: string;
}

async function ensureEndpoint(tx: WriteTx, at: Moment, { service, name, region, url }: EndpointAsk): Promise<void> {
  const found = await findEndpoint(tx, { service, name, region });
  if (found !== undefined && found['url'] === url) return;
  const made = { id: at.newId(), service_id: service.id, interface: name, region, region_id: region, enabled: true };
  const row = { ...made, ...found, url };
  tx.put(tables.endpoints, row.id, row);
}

async function findEndpoint(
  tx: ReadTx,
  { service, name, region }: Omit<EndpointAsk, 'url'>,
): Promise<PlainRow | undefined> {
  const rows = (await tx.scan(tables.endpoints)).map(({ value }) => value);
  return rows.find(
    (row) => row['service_id'] === service.id && row['interface'] === name && row['region_id'] === region,
  );
}
