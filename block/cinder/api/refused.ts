/**
 * What Cinder has and this does not. Lists of it are empty and its members are not there, which is true; what would make one is
 * 501 with a reason rather than a 404 that would look like a mistake of the client.
 */
import type { Method, Route } from '../../../control/service/types.ts';
import { route } from '../../../control/service/types.ts';
import { notFound, notImplemented } from '../refusals.ts';

interface Absent {
  readonly name: string;
  readonly path: string;
  readonly why: string;
  readonly rule: string;
  readonly min?: string;
  readonly methods?: readonly Method[];
  /** Answers instead of a refusal: a list under this name, or 404 for such a thing. */
  readonly empty?: string;
  readonly missing?: string;
}

const GROUPS = 'the older form of groups: use /groups';
const MANAGE = 'volumes and snapshots are files and objects of our own form, which nobody else makes';
const CLUSTERS = 'a volume is on one host, not on a cluster of them';

/** A collection that nothing can be put into: `/x`, `/x/detail`, `/x/{id}`, `/x/{id}/action`. */
function collection(
  at: string,
  { min, rules, why, what }: { min?: string; rules: string; why: string; what: string },
): Absent[] {
  const about = { why, rule: `${rules}:get_all`, ...(min === undefined ? {} : { min }) };
  const one = { ...about, missing: what };
  return [
    { ...about, name: at, path: `/${at}`, empty: at },
    { ...about, name: `${at}-detail`, path: `/${at}/detail`, empty: at },
    { ...about, name: `${at}-create`, path: `/${at}`, methods: ['POST'], rule: `${rules}:create` },
    { ...one, name: `${at}-one`, path: `/${at}/{id}`, methods: ['GET', 'PUT', 'DELETE'] },
    { ...one, name: `${at}-action`, path: `/${at}/{id}/action`, methods: ['POST'] },
  ];
}

function manageable(at: string, kind: 'volume' | 'snapshot', min?: string): Absent[] {
  const rules = `${kind === 'volume' ? 'volume' : 'snapshot'}_extension`;
  const about = { why: MANAGE, rule: `${rules}:list_manageable`, ...(min === undefined ? {} : { min }) };
  const empty = `manageable-${kind}s`;
  return [
    { ...about, name: at, path: `/${at}`, empty },
    { ...about, name: `${at}-detail`, path: `/${at}/detail`, empty },
    { ...about, name: `${at}-create`, path: `/${at}`, methods: ['POST'], rule: `${rules}:${kind}_manage` },
  ];
}

const ABSENT: readonly Absent[] = [
  ...collection('consistencygroups', { rules: 'group', why: GROUPS, what: 'Group' }),
  ...collection('cgsnapshots', { rules: 'group', why: GROUPS, what: 'GroupSnapshot' }),
  ...manageable('manageable_volumes', 'volume', '3.8'),
  ...manageable('manageable_snapshots', 'snapshot', '3.8'),
  ...manageable('os-volume-manage', 'volume'),
  ...manageable('os-snapshot-manage', 'snapshot'),
  { name: 'clusters', path: '/clusters', why: CLUSTERS, rule: 'clusters:get_all', min: '3.7', empty: 'clusters' },
  {
    ...{ name: 'clusters-detail', path: '/clusters/detail', why: CLUSTERS, rule: 'clusters:get_all', min: '3.7' },
    empty: 'clusters',
  },
  {
    ...{ name: 'clusters-one', path: '/clusters/{id}', why: CLUSTERS, rule: 'clusters:get', min: '3.7' },
    ...{ methods: ['GET', 'PUT'], missing: 'Cluster' },
  },
];

export function refusedRoutes(): Route[] {
  return [...ABSENT.flatMap(routesOf), cleanup()];
}

function routesOf({ name, path, why, rule, min, methods = ['GET'], empty, missing }: Absent): Route[] {
  const answer = empty ? `always empty: ${why}` : missing ? `refused, 404: ${why}` : `refused, 501: ${why}`;
  return methods.map((method) =>
    route({
      ...{ name: `${name}:${method.toLowerCase()}`, method, path, ...(min === undefined ? {} : { min }) },
      ...{ policy: rule, note: answer },
      run(call) {
        if (empty) return { body: { [empty]: [] } };
        if (missing) throw notFound(missing, (call.params as { readonly id: string }).id.slice(0, 64));
        throw notImplemented(`Not offered: ${why}.`);
      },
    }),
  );
}

const cleanup = (): Route =>
  route({
    ...{ name: 'workers-cleanup:post', method: 'POST', path: '/workers/cleanup', min: '3.24', status: 202 },
    ...{ policy: 'workers:cleanup', note: 'nothing to clean: each action goes on by itself after a restart' },
    run: () => ({ body: { cleaning: [], unavailable: [] } }),
  });
