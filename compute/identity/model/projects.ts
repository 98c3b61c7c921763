/**
 * Projects and domains: the tree, names unique in a domain, what may be changed and what may not. A domain is a project that
 * acts as one. Deleting cascades (model/cascade.ts); this file only takes the rows of one project.
 */
import { joinKey, type ReadTx, type WriteTx } from '../../../control/contract.ts';
import { badRequest, conflict, forbidden, notFound } from '../refusals.ts';
import { type Extra, type ProjectRow, tables } from '../tables.ts';
import { claimName, type Moment, members, must, seconds } from './rows.ts';

export interface ProjectInput {
  readonly name: string;
  readonly isDomain: boolean;
  readonly domainId: string;
  readonly parentId: string;
  readonly enabled: boolean;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly options: Extra;
  readonly extra: Extra;
  /** Only the first domain and migrations bring their own. */
  readonly id?: string;
}

export type ProjectChange = Partial<
  Pick<ProjectRow, 'name' | 'enabled' | 'description' | 'tags' | 'options' | 'extra'>
>;

export function getProject(tx: ReadTx, id: string): Promise<ProjectRow> {
  return must(tx, tables.projects, { kind: 'project', id });
}

export async function getDomain(tx: ReadTx, id: string): Promise<ProjectRow> {
  const row = await must(tx, tables.projects, { kind: 'domain', id });
  if (!row.isDomain) throw notFound('domain', id);
  return row;
}

export async function findProject(tx: ReadTx, domainId: string, name: string): Promise<ProjectRow | undefined> {
  const id = await tx.get(tables.projectNames, joinKey(domainId, name));
  return id === undefined ? undefined : await tx.get(tables.projects, id);
}

/** Nearest first; the domain at the top is the last one. */
export async function ancestors(tx: ReadTx, project: ProjectRow): Promise<ProjectRow[]> {
  const found: ProjectRow[] = [];
  for (let { parentId } = project; parentId !== ''; ) {
    const parent = await getProject(tx, parentId);
    found.push(parent);
    parentId = parent.parentId;
  }
  return found;
}

/** All below, parents before children, without `id` itself. */
export async function descendants(tx: ReadTx, id: string): Promise<ProjectRow[]> {
  const found: ProjectRow[] = [];
  for (const childId of await members(tx, tables.projectChildren, id)) {
    const child = await tx.get(tables.projects, childId);
    if (child === undefined) continue;
    found.push(child, ...(await descendants(tx, childId)));
  }
  return found;
}

export async function createProject(
  tx: WriteTx,
  input: ProjectInput,
  { moment, depthMax }: { moment: Moment; depthMax: number },
): Promise<ProjectRow> {
  const id = input.id ?? moment.newId();
  if ((await tx.get(tables.projects, id)) !== undefined) throw conflict('project', `there is one with this id: ${id}`);
  const row: ProjectRow = { ...input, id, ...(await placeOf(tx, input, depthMax)) };
  await claimName(tx, nameIndex(row), row);
  tx.put(tables.projects, id, row);
  if (row.parentId !== '') tx.put(tables.projectChildren, joinKey(row.parentId, id), true);
  return row;
}

async function placeOf(
  tx: ReadTx,
  input: ProjectInput,
  depthMax: number,
): Promise<{ domainId: string; parentId: string }> {
  if (input.isDomain) {
    if (input.parentId !== '') throw badRequest('only root projects are allowed to act as domains.');
    return { domainId: '', parentId: '' };
  }
  const parentId = input.parentId === '' ? input.domainId : input.parentId;
  const parent = await tx.get(tables.projects, parentId);
  if (parent === undefined) throw notFound(input.parentId === '' ? 'domain' : 'project', parentId);
  const domainId = parent.isDomain ? parent.id : parent.domainId;
  if (input.domainId !== '' && input.domainId !== domainId)
    throw badRequest(
      parent.isDomain
        ? `Cannot create project, the parent (${parent.id}) is acting as a domain, but this project's domain id (${input.domainId}) does not match the parent's id.`
        : `Cannot create project, since it specifies its domain_id ${input.domainId}, but specifies a parent in a different domain (${domainId}).`,
    );
  if (!parent.enabled)
    throw badRequest(`cannot create a project in a branch containing a disabled project: ${parent.id}`);
  const above = await ancestors(tx, parent);
  if (above.length + 1 > depthMax) throw forbidden(`Max hierarchy depth reached for ${parentId} branch.`);
  return { domainId, parentId };
}

export async function updateProject(
  tx: WriteTx,
  { row, change, nowMs }: { row: ProjectRow; change: ProjectChange; nowMs: number },
): Promise<ProjectRow> {
  const after = { ...row, ...change };
  await claimName(tx, nameIndex(after), after, row.name);
  if (row.enabled && !after.enabled) {
    if (!row.isDomain) await refuseEnabledChildren(tx, row);
    after.revokedAtS = seconds(nowMs);
  }
  if (!row.enabled && after.enabled && !row.isDomain) await refuseDisabledParents(tx, row);
  tx.put(tables.projects, row.id, after);
  return after;
}

async function refuseEnabledChildren(tx: ReadTx, row: ProjectRow): Promise<void> {
  const below = await descendants(tx, row.id);
  if (below.some(({ enabled }) => enabled))
    throw forbidden(`Cannot disable project ${row.id} since its subtree contains enabled projects.`);
}

async function refuseDisabledParents(tx: ReadTx, row: ProjectRow): Promise<void> {
  const above = await ancestors(tx, row);
  if (above.some(({ enabled }) => !enabled))
    throw forbidden(`Cannot enable project ${row.id} since it has disabled parents.`);
}

/** The project's own rows; assignments, credentials and what lies below it are the caller's. */
export function dropProject(tx: WriteTx, row: ProjectRow): void {
  tx.delete(tables.projects, row.id);
  tx.delete(tables.projectNames, joinKey(row.domainId, row.name));
  if (row.parentId !== '') tx.delete(tables.projectChildren, joinKey(row.parentId, row.id));
}

export function checkTag(tag: string): string {
  if (tag.length === 0 || tag.length > 255 || /[,/]/.test(tag))
    throw badRequest(`Invalid input for field 'tag': '${tag}'.`);
  return tag;
}

export function kindOf(row: ProjectRow): 'domain' | 'project' {
  return row.isDomain ? 'domain' : 'project';
}

function nameIndex(row: ProjectRow) {
  const { id, name, domainId, isDomain } = row;
  const refusal = isDomain
    ? `it is not permitted to have two projects acting as domains with the same name: ${name}`
    : `it is not permitted to have two projects with either the same name or same id in the same domain: name is ${name}, project id ${id}`;
  return { table: tables.projectNames, kind: 'project', within: domainId, refusal };
}
