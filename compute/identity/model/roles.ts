/** Roles, and which role implies which. Global roles have no domain; those of a domain only pass on what they imply. */
import { joinKey, type ReadTx, splitKey, type WriteTx } from '../../../control/contract.ts';
import { badRequest, conflict, forbidden, immutable } from '../refusals.ts';
import { type RoleRow, tables } from '../tables.ts';
import { claimName, clear, type Moment, members, must } from './rows.ts';

const PROHIBITED = 'admin';

export type RoleInput = Omit<RoleRow, 'id'> & { readonly id?: string };
export type RoleChange = Partial<Omit<RoleRow, 'id' | 'domainId'>>;

export function getRole(tx: ReadTx, id: string): Promise<RoleRow> {
  return must(tx, tables.roles, { kind: 'role', id });
}

export async function findRole(tx: ReadTx, name: string, domainId = ''): Promise<RoleRow | undefined> {
  const id = await tx.get(tables.roleNames, joinKey(domainId, name));
  return id === undefined ? undefined : await tx.get(tables.roles, id);
}

export async function createRole(tx: WriteTx, input: RoleInput, moment: Moment): Promise<RoleRow> {
  const row = { ...input, id: input.id ?? moment.newId() };
  await claimName(tx, nameIndex(row), row);
  tx.put(tables.roles, row.id, row);
  return row;
}

export async function updateRole(tx: WriteTx, row: RoleRow, change: RoleChange): Promise<RoleRow> {
  const after = { ...row, ...change };
  await claimName(tx, nameIndex(row), after, row.name);
  tx.put(tables.roles, row.id, after);
  return after;
}

export function impliedBy(tx: ReadTx, priorId: string): Promise<string[]> {
  return members(tx, tables.impliedRoles, priorId);
}

/** prior -> implied, of all roles. */
export async function implications(tx: ReadTx): Promise<Map<string, string[]>> {
  const rules = new Map<string, string[]>();
  for (const { key } of await tx.scan(tables.impliedRoles, { prefix: '' })) {
    const [prior = '', implied = ''] = splitKey(key);
    rules.set(prior, [...(rules.get(prior) ?? []), implied]);
  }
  return rules;
}

/** `ids` and all that they imply, each once, what implies before what is implied. */
export function withImplied(ids: Iterable<string>, rules: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set(ids);
  // A set's iteration meets what is added on the way.
  for (const id of found) for (const implied of rules.get(id) ?? []) found.add(implied);
  return found;
}

export async function addImplication(tx: WriteTx, prior: RoleRow, implied: RoleRow): Promise<void> {
  if (implied.domainId !== '' && implied.domainId !== prior.domainId)
    throw forbidden(`${implied.id} cannot be an implied roles.`);
  // Whoever has the prior role would become administrator of the cloud: Keystone's prohibited_implied_role.
  if (implied.domainId === '' && implied.name === PROHIBITED)
    throw forbidden(`${implied.id} cannot be an implied roles.`);
  if ((await tx.get(tables.impliedRoles, joinKey(prior.id, implied.id))) !== undefined)
    throw conflict('implied_role', 'Duplicate entry');
  const back = withImplied([implied.id], await implications(tx));
  if (back.has(prior.id)) throw badRequest(`Role ${implied.id} cannot be implied: it already implies ${prior.id}.`);
  tx.put(tables.impliedRoles, joinKey(prior.id, implied.id), true);
}

export async function dropRole(tx: WriteTx, row: RoleRow): Promise<void> {
  if (row.options['immutable'] === true) throw immutable('delete', 'role', row.id);
  await clear(tx, tables.impliedRoles, row.id);
  for (const [prior, implied] of await implications(tx)) {
    if (implied.includes(row.id)) tx.delete(tables.impliedRoles, joinKey(prior, row.id));
  }
  tx.delete(tables.roles, row.id);
  tx.delete(tables.roleNames, joinKey(row.domainId, row.name));
}

function nameIndex(row: RoleRow) {
  return { table: tables.roleNames, kind: 'role', within: row.domainId };
}
