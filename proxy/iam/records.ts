/** Rows of users, groups, roles, managed policies and keys in the control store: tables, keys, quotas, and how one is read. */
import { defineTable, joinKey, type ReadTx, type Table } from '../../control/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { arnOf, type IamKey, type IamRows, iamFaults, type Kind, type Named } from './contract.ts';

/** All by joinKey(account, name). */
export const ROWS: { readonly [K in Kind]: Table<IamRows[K]> } = {
  user: defineTable('iam.users'),
  group: defineTable('iam.groups'),
  role: defineTable('iam.roles'),
  policy: defineTable('iam.policies'),
};
/** By access key id. */
export const KEYS = defineTable<KeyRow>('iam.keys');
/** joinKey(account, name, access key id): which keys a user has. */
export const KEYS_OF = defineTable<true>('iam.keys-of');
/** By access key id: written at most once an hour by each proxy. */
export const KEY_USES = defineTable<KeyUseRow>('iam.key-uses');

export interface KeyRow extends IamKey, Named {
  readonly salt: Uint8Array;
}

export interface KeyUseRow {
  readonly usedMs: number;
  readonly service: string;
}

/** AWS' own: how many of a kind an account may have. */
export const COUNT_MAX: Readonly<Record<Kind, number>> = { user: 5000, group: 300, role: 1000, policy: 1500 };
export const KEYS_MAX = 2;
export const GROUPS_MAX = 10;
export const ATTACHED_MAX = 10;
export const ID_PREFIX: Readonly<Record<Kind, string>> = { user: 'AIDA', group: 'AGPA', role: 'AROA', policy: 'ANPA' };

export const ownerOf = ({ account, name }: Named): string => joinKey(account, name);

export async function readRow<K extends Kind>(tx: ReadTx, kind: K, of: Named): Promise<IamRows[K]> {
  const row = await tx.get<IamRows[K]>(ROWS[kind], ownerOf(of));
  if (row) return row;
  throw missing(kind === 'policy' ? `Policy ${arnOf(kind, of)}` : `The ${kind} with name ${of.name}`);
}

export async function scanRows<K extends Kind>(tx: ReadTx, kind: K, account: string): Promise<IamRows[K][]> {
  return (await tx.scan<IamRows[K]>(ROWS[kind], { prefix: joinKey(account, '') })).map(({ value }) => value);
}

export async function readKey(tx: ReadTx, { account, name }: Named, accessKeyId: string): Promise<KeyRow> {
  const row = await tx.get(KEYS, accessKeyId);
  if (row?.account !== account || row.name !== name) throw missing(`The Access Key with id ${accessKeyId}`);
  return row;
}

export const missing = (what: string): Fault => new Fault(iamFaults.noSuchEntity, {}, `${what} cannot be found.`);
export const limit = (what: string, most: number): Fault =>
  new Fault(iamFaults.limitExceeded, {}, `Cannot exceed quota for ${what}: ${most}`);
export const conflict = (why: string): Fault => new Fault(iamFaults.deleteConflict, {}, why);
