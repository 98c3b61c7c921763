/** /v3/projects with their tags. Domains are in domains.ts; both are rows of the one tree. */
import type { ReadTx } from '../../../control/contract.ts';
import type { PolicyTarget } from '../../../control/policy/contract.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { isFault } from '../../../fabric/errors.ts';
import { identityFaults } from '../faults.ts';
import { deleteProject } from '../model/cascade.ts';
import { projectsOf } from '../model/effective.ts';
import {
  ancestors,
  checkTag,
  createProject,
  descendants,
  getProject,
  kindOf,
  type ProjectChange,
  updateProject,
} from '../model/projects.ts';
import { badRequest, forbidden, notFound, refuseImmutable } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { type ProjectRow, tables } from '../tables.ts';
import { asBoolean, listed } from './listing.ts';
import {
  BOOLEAN,
  type Body,
  described,
  domainOfCaller,
  extraOf,
  given,
  mergeOptions,
  NULLABLE_ID,
  nameOf,
  OPTIONS,
  refuseOtherId,
  TEXT,
  targetOf,
  withinScope,
  wrapped,
} from './shared.ts';
import { showProject } from './show.ts';

const PROJECT_NAME = { type: 'string', minLength: 1, maxLength: 64, pattern: '\\S' } as const;
const TAG = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[^,/]*$' } as const;
export const TAGS = { type: 'array', items: TAG, maxItems: 80, uniqueItems: true } as const;
const PROPERTIES = {
  name: PROJECT_NAME,
  description: TEXT,
  domain_id: { ...NULLABLE_ID, minLength: 1 },
  parent_id: { ...NULLABLE_ID, minLength: 1 },
  enabled: BOOLEAN,
  is_domain: BOOLEAN,
  tags: TAGS,
  options: OPTIONS,
};
const KNOWN = Object.keys(PROPERTIES);
/** In Keystone's words. */
const ROOTS_ONLY = 'only root projects are allowed to act as domains.';
const FILTERS = ['name', 'domain_id', 'parent_id', 'enabled', 'is_domain'] as const;

type ById = { readonly project_id: string };

export function projectRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const target = ({ params }: { params: ById }) => store.read((tx) => projectTarget(tx, params.project_id));
  const withId = { path: '/v3/projects/{project_id}', target } as const;
  return [
    route({
      name: 'projects:create',
      method: 'POST',
      path: '/v3/projects',
      body: wrapped('project', PROPERTIES, ['name']),
      status: 201,
      run: (call) => create(identity, call),
    }),
    route({
      name: 'projects:list',
      method: 'GET',
      path: '/v3/projects',
      head: true,
      note: `filters ${FILTERS.join(', ')}, tags, tags-any, not-tags, not-tags-any`,
      run: (call) => list(identity, call),
    }),
    route({
      ...withId,
      name: 'projects:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_project',
      note: 'parents_as_list, parents_as_ids, subtree_as_list, subtree_as_ids',
      run: (call) => store.read((tx) => show(tx, call, call.params.project_id)),
    }),
    route({
      ...withId,
      name: 'projects:update',
      method: 'PATCH',
      policy: 'identity:update_project',
      body: wrapped('project', PROPERTIES),
      run: (call) => update(identity, call, call.params.project_id),
    }),
    route({
      ...withId,
      name: 'projects:delete',
      method: 'DELETE',
      policy: 'identity:delete_project',
      run: async ({ params }) => {
        await store.write(async (tx) => deleteProject(tx, await getProject(tx, params.project_id)));
        return {};
      },
    }),
    ...tagRoutes(identity),
  ];
}

export async function projectTarget(tx: ReadTx, id: string): Promise<PolicyTarget> {
  const row = await tx.get(tables.projects, id);
  // Of what is not there nobody learns more than that they may not see it.
  return targetOf('project', { id, domain_id: row === undefined ? null : row.isDomain ? row.id : row.domainId });
}

async function create(identity: Identity, call: Call<unknown, Readonly<Record<string, Body>>>): Promise<Answer> {
  const body = call.body['project'] as Body;
  const isDomain = given<boolean>(body, 'is_domain') ?? false;
  if (isDomain && (body['parent_id'] ?? body['domain_id'] ?? null) !== null) throw badRequest(ROOTS_ONLY);
  const parentId = given<string>(body, 'parent_id') ?? '';
  const parent = parentId === '' ? undefined : await identity.store.read((tx) => tx.get(tables.projects, parentId));
  const ofParent = parent && (parent.isDomain ? parent.id : parent.domainId);
  const domainId = isDomain ? '' : (given<string>(body, 'domain_id') ?? ofParent ?? domainOfCaller(call));
  call.enforce(
    isDomain ? 'identity:create_domain' : 'identity:create_project',
    targetOf('project', { domain_id: domainId }),
  );
  const input = {
    name: nameOf(body),
    isDomain,
    domainId,
    parentId,
    enabled: given<boolean>(body, 'enabled') ?? true,
    description: described(body),
    tags: given<string[]>(body, 'tags') ?? [],
    options: mergeOptions({}, body['options']),
    extra: extraOf(body, KNOWN),
  };
  const depthMax = identity.settings.projectDepthMax;
  const row = await identity.store
    .write((tx) => createProject(tx, input, { moment: moment(identity), depthMax }))
    .catch(asBadRequest);
  return { body: { project: showProject(call, row) } };
}

/** A domain or parent that a body names and that is not there is a mistake in the body. */
function asBadRequest(error: unknown): never {
  throw isFault(error, identityFaults.notFound) ? badRequest(error.message) : error;
}

async function list(identity: Identity, call: Call): Promise<Answer> {
  const domainId = call.query.get('domain_id') ?? call.credentials.domainId ?? null;
  call.enforce('identity:list_projects', { target: { domain_id: domainId } });
  const rows = (await identity.store.read((tx) => tx.scan(tables.projects))).map(({ value }) => value);
  const wantsDomains = call.query.get('is_domain') !== undefined && asBoolean(call.query.get('is_domain') as string);
  // A domain's own token sees its domain, whatever the query leaves out.
  const ownDomain = call.allows('identity:list_projects', { target: { domain_id: null } }) ? undefined : domainId;
  const chosen = withinScope(call, rows)
    .filter((row) => row.isDomain === wantsDomains)
    .filter((row) => ownDomain === undefined || row.domainId === ownDomain || row.id === ownDomain)
    .filter((row) => matchesTags(call, row));
  const shown = chosen.map((row) => showProject(call, row));
  return listed(call, 'projects', shown, { filters: FILTERS, listMax: identity.settings.listMax });
}

function matchesTags({ query }: Call, { tags }: ProjectRow): boolean {
  const asked = (name: string): string[] | undefined => query.get(name)?.split(',');
  const [all, any, notAll, notAny] = [asked('tags'), asked('tags-any'), asked('not-tags'), asked('not-tags-any')];
  if (all?.some((tag) => !tags.includes(tag))) return false;
  if (any && !any.some((tag) => tags.includes(tag))) return false;
  if (notAll?.every((tag) => tags.includes(tag))) return false;
  return !notAny?.some((tag) => tags.includes(tag));
}

async function show(tx: ReadTx, call: Call, id: string): Promise<Answer> {
  const row = await getProject(tx, id);
  const shown: Record<string, unknown> = { ...showProject(call, row) };
  const asks = (name: string): boolean => call.query.has(name) && asBoolean(call.query.get(name) as string);
  const [parentsList, parentsIds] = [asks('parents_as_list'), asks('parents_as_ids')];
  const [subtreeList, subtreeIds] = [asks('subtree_as_list'), asks('subtree_as_ids')];
  if (parentsList && parentsIds)
    throw badRequest('Cannot use parents_as_list and parents_as_ids query params at the same time.');
  if (subtreeList && subtreeIds)
    throw badRequest('Cannot use subtree_as_list and subtree_as_ids query params at the same time.');
  const above = parentsList || parentsIds ? await ancestors(tx, row) : [];
  const below = subtreeList || subtreeIds ? await descendants(tx, id) : [];
  // Whoever may see this project may not therefore see those around it: as a list they are what the caller has roles in.
  const own = parentsList || subtreeList ? await projectsOf(tx, call.credentials.userId) : [];
  const ids = new Set(own.map((one) => one.id));
  const visible = (rows: readonly ProjectRow[]) =>
    rows.filter((one) => ids.has(one.id)).map((one) => ({ project: showProject(call, one) }));
  if (parentsList) shown['parents'] = visible(above);
  if (parentsIds) shown['parents'] = above.reduceRight<unknown>((inner, one) => ({ [one.id]: inner }), null);
  if (subtreeList) shown['subtree'] = visible(below);
  if (subtreeIds) shown['subtree'] = idsBelow(below, id);
  return { body: { project: shown } };
}

function idsBelow(rows: readonly ProjectRow[], parentId: string): unknown {
  const children = rows.filter((row) => row.parentId === parentId);
  return children.length === 0 ? null : Object.fromEntries(children.map(({ id }) => [id, idsBelow(rows, id)]));
}

export function changeOf(body: Body, row: ProjectRow): ProjectChange {
  const extra = { ...row.extra, ...extraOf(body, KNOWN) };
  return {
    extra,
    ...(body['name'] === undefined ? {} : { name: nameOf(body) }),
    ...(body['enabled'] === undefined ? {} : { enabled: body['enabled'] === true }),
    ...(body['description'] === undefined ? {} : { description: body['description'] as string | null }),
    ...(body['tags'] === undefined ? {} : { tags: body['tags'] as string[] }),
    ...(body['options'] === undefined ? {} : { options: mergeOptions(row.options, body['options']) }),
  };
}

async function update(
  identity: Identity,
  call: Call<unknown, Readonly<Record<string, Body>>>,
  id: string,
): Promise<Answer> {
  const body = call.body['project'] as Body;
  const row = await identity.store.write(async (tx) => {
    const before = await getProject(tx, id);
    refuseOtherId(body, id);
    // A manager of a domain manages what is in it, not the domain.
    if (before.isDomain) call.enforce('identity:update_domain', targetOf('domain', { id }));
    refuseImmutable(kindOf(before), before, body);
    if (body['domain_id'] !== undefined && body['domain_id'] !== (before.domainId || null))
      throw badRequest('Cannot change Domain ID');
    if (body['parent_id'] !== undefined && body['parent_id'] !== (before.parentId || null))
      throw forbidden('Update of `parent_id` is not allowed.');
    if (body['is_domain'] !== undefined && body['is_domain'] !== before.isDomain)
      throw badRequest('Update of `is_domain` is not allowed.');
    return await updateProject(tx, { row: before, change: changeOf(body, before), nowMs: identity.clock.nowMs() });
  });
  return { body: { project: showProject(call, row) } };
}

const TAGS_BODY = schema<{ tags: string[] }>({ type: 'object', properties: { tags: TAGS }, required: ['tags'] });

function tagRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const target = ({ params }: { params: ById }) => store.read((tx) => projectTarget(tx, params.project_id));
  const all = { path: '/v3/projects/{project_id}/tags', target } as const;
  const one = { path: '/v3/projects/{project_id}/tags/{tag}', target } as const;
  const change = (id: string, edit: (tags: readonly string[]) => readonly string[]): Promise<readonly string[]> =>
    store.write(async (tx) => {
      const row = await getProject(tx, id);
      refuseImmutable(kindOf(row), row, {});
      const tags = [...new Set(edit(row.tags))];
      if (tags.length > TAGS.maxItems) throw badRequest(`A project has at most ${TAGS.maxItems} tags.`);
      const nowMs = identity.clock.nowMs();
      return (await updateProject(tx, { row, change: { tags }, nowMs })).tags;
    });
  const current = async (id: string) => (await store.read((tx) => getProject(tx, id))).tags;
  const missing = (tag: string) => notFound('project tag', tag);
  return [
    route({
      ...all,
      name: 'projects:list-tags',
      method: 'GET',
      head: true,
      policy: 'identity:list_project_tags',
      run: async (call) => ({
        body: { tags: await current(call.params.project_id), links: { self: call.url(call.path) } },
      }),
    }),
    route({
      ...all,
      name: 'projects:set-tags',
      method: 'PUT',
      policy: 'identity:update_project_tags',
      body: TAGS_BODY,
      run: async (call) => {
        const tags = await change(call.params.project_id, () => call.body.tags);
        return { body: { tags, links: { self: call.url(call.path) } } };
      },
    }),
    route({
      ...all,
      name: 'projects:delete-tags',
      method: 'DELETE',
      policy: 'identity:delete_project_tags',
      run: async ({ params }) => {
        await change(params.project_id, () => []);
        return {};
      },
    }),
    route({
      ...one,
      name: 'projects:check-tag',
      method: 'GET',
      head: true,
      status: 204,
      policy: 'identity:get_project_tag',
      run: async ({ params }) => {
        if (!(await current(params.project_id)).includes(params.tag)) throw missing(params.tag);
        return {};
      },
    }),
    route({
      ...one,
      name: 'projects:add-tag',
      method: 'PUT',
      status: 201,
      policy: 'identity:create_project_tag',
      run: async (call) => {
        await change(call.params.project_id, (tags) => [...tags, checkTag(call.params.tag)]);
        return { headers: ['Location', call.url(call.path)] };
      },
    }),
    route({
      ...one,
      name: 'projects:delete-tag',
      method: 'DELETE',
      policy: 'identity:delete_project_tag',
      run: async ({ params }) => {
        await change(params.project_id, (tags) => {
          if (!tags.includes(params.tag)) throw missing(params.tag);
          return tags.filter((tag) => tag !== params.tag);
        });
        return {};
      },
    }),
  ];
}
