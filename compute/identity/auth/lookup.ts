/** Finds who and what an authentication names. Undefined for what is not there: the client never learns which part it was. */
import { joinKey, type ReadTx } from '../../../control/contract.ts';
import { findProject } from '../model/projects.ts';
import { findUser } from '../model/users.ts';
import { type AppCredRow, type ProjectRow, tables, type UserRow } from '../tables.ts';
import type { Named, NamedInDomain } from './request.ts';

/** Where both are said, a name counts, as in Keystone. */
export async function lookUpDomain(tx: ReadTx, named: Named | undefined): Promise<ProjectRow | undefined> {
  if (named?.name) return await findProject(tx, '', named.name);
  const row = named?.id ? await tx.get(tables.projects, named.id) : undefined;
  return row?.isDomain ? row : undefined;
}

export async function lookUpUser(tx: ReadTx, named: NamedInDomain): Promise<UserRow | undefined> {
  if (!named.name) return named.id ? await tx.get(tables.users, named.id) : undefined;
  const domain = await lookUpDomain(tx, named.domain);
  return domain === undefined ? undefined : await findUser(tx, domain.id, named.name);
}

/** A domain is none. */
export async function lookUpProject(tx: ReadTx, named: NamedInDomain): Promise<ProjectRow | undefined> {
  if (!named.name) {
    const row = named.id ? await tx.get(tables.projects, named.id) : undefined;
    return row?.isDomain ? undefined : row;
  }
  const domain = await lookUpDomain(tx, named.domain);
  return domain === undefined ? undefined : await findProject(tx, domain.id, named.name);
}

export async function lookUpAppCred(
  tx: ReadTx,
  named: Named & { readonly user?: NamedInDomain },
): Promise<AppCredRow | undefined> {
  if (named.id) return await tx.get(tables.appCreds, named.id);
  const user = named.user && (await lookUpUser(tx, named.user));
  if (user === undefined || named.name === undefined) return undefined;
  const id = await tx.get(tables.appCredNames, joinKey(user.id, named.name));
  return id === undefined ? undefined : await tx.get(tables.appCreds, id);
}
