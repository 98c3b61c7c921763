/** Volume types: the one that is always there, who may use which, and which a new volume gets. */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { type Cinder, newId } from '../cinder.ts';
import { notFound } from '../refusals.ts';
import { DEFAULT_TYPES, type TypeRow, types } from '../tables.ts';

export const DEFAULT_TYPE = '__DEFAULT__';

export async function ensureDefaultType(cinder: Cinder): Promise<void> {
  await cinder.store.write(async (tx) => {
    if ((await types.by(tx, 'name', DEFAULT_TYPE)).length > 0) return;
    await types.put(tx, {
      ...{ id: newId(cinder), name: DEFAULT_TYPE, description: 'Default Volume Type', isPublic: true },
      ...{ extraSpecs: {}, projects: [], createdAtMs: cinder.clock.nowMs() },
    });
  });
}

export const mayUse = ({ isPublic, projects }: TypeRow, projectId: string | undefined): boolean =>
  isPublic || (projectId !== undefined && projects.includes(projectId));

/** By id or name. */
export async function findType(tx: ReadTx, idOrName: string): Promise<TypeRow | undefined> {
  return (await types.get(tx, idOrName)) ?? (await types.by(tx, 'name', idOrName))[0];
}

export async function getType(tx: ReadTx, idOrName: string): Promise<TypeRow> {
  const type = await findType(tx, idOrName);
  if (type) return type;
  throw notFound('Volume type', idOrName);
}

/** The project's own default, or the one of all. */
export async function defaultType(tx: ReadTx, projectId: string | undefined): Promise<TypeRow> {
  const own = projectId === undefined ? undefined : await tx.get(DEFAULT_TYPES, projectId);
  const type = own && (await types.get(tx, own.typeId));
  return type ?? getType(tx, DEFAULT_TYPE);
}

export async function typeName(tx: ReadTx | WriteTx, typeId: string): Promise<string> {
  return (await types.get(tx, typeId))?.name ?? typeId;
}
