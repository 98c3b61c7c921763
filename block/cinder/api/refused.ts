/** What Cinder has and this does not, each with its reason: 501 rather than a 404 that would look like a mistake of the client. */
import { type Method, type Route, route } from '../../../control/service/types.ts';
import { notImplemented } from '../refusals.ts';

interface Refused {
  readonly name: string;
  readonly path: string;
  readonly why: string;
  readonly min?: string;
  readonly methods?: readonly Method[];
}

const GROUPS = 'groups of volumes come later: a snapshot is of one volume at one moment';
const MANAGE = 'volumes and snapshots are files and objects of our own form, which nobody else makes';
const CLUSTERS = 'a volume is on one host, not on a cluster of them';

const REFUSED: readonly Refused[] = [
  { name: 'groups', path: '/groups', why: GROUPS, min: '3.13', methods: ['GET', 'POST'] },
  { name: 'groups-detail', path: '/groups/detail', why: GROUPS, min: '3.13' },
  { name: 'groups-action', path: '/groups/action', why: GROUPS, min: '3.14', methods: ['POST'] },
  { name: 'groups-one', path: '/groups/{group_id}', why: GROUPS, min: '3.13', methods: ['GET', 'PUT'] },
  { name: 'groups-one-action', path: '/groups/{group_id}/action', why: GROUPS, min: '3.13', methods: ['POST'] },
  { name: 'group-snapshots', path: '/group_snapshots', why: GROUPS, min: '3.14', methods: ['GET', 'POST'] },
  { name: 'group-snapshots-detail', path: '/group_snapshots/detail', why: GROUPS, min: '3.14' },
  { name: 'group-snapshots-one', path: '/group_snapshots/{id}', why: GROUPS, min: '3.14', methods: ['GET', 'DELETE'] },
  { name: 'group-types', path: '/group_types', why: GROUPS, min: '3.11', methods: ['GET', 'POST'] },
  { name: 'group-types-one', path: '/group_types/{id}', why: GROUPS, min: '3.11', methods: ['GET', 'PUT', 'DELETE'] },
  { name: 'consistency-groups', path: '/consistencygroups', why: GROUPS, methods: ['GET', 'POST'] },
  { name: 'consistency-groups-detail', path: '/consistencygroups/detail', why: GROUPS },
  { name: 'cgsnapshots', path: '/cgsnapshots', why: GROUPS, methods: ['GET', 'POST'] },
  { name: 'cgsnapshots-detail', path: '/cgsnapshots/detail', why: GROUPS },
  { name: 'manageable-volumes', path: '/manageable_volumes', why: MANAGE, min: '3.8', methods: ['GET', 'POST'] },
  { name: 'manageable-volumes-detail', path: '/manageable_volumes/detail', why: MANAGE, min: '3.8' },
  { name: 'manageable-snapshots', path: '/manageable_snapshots', why: MANAGE, min: '3.8', methods: ['GET', 'POST'] },
  { name: 'manageable-snapshots-detail', path: '/manageable_snapshots/detail', why: MANAGE, min: '3.8' },
  { name: 'os-volume-manage', path: '/os-volume-manage', why: MANAGE, methods: ['GET', 'POST'] },
  { name: 'os-snapshot-manage', path: '/os-snapshot-manage', why: MANAGE, methods: ['GET', 'POST'] },
  { name: 'clusters', path: '/clusters', why: CLUSTERS, min: '3.7' },
  { name: 'clusters-detail', path: '/clusters/detail', why: CLUSTERS, min: '3.7' },
  { name: 'clusters-one', path: '/clusters/{name}', why: CLUSTERS, min: '3.7', methods: ['GET', 'PUT'] },
  {
    ...{ name: 'workers-cleanup', path: '/workers/cleanup', min: '3.24', methods: ['POST'] },
    why: 'there is nothing to clean: each action goes on by itself after a restart',
  },
];

export function refusedRoutes(): Route[] {
  return REFUSED.flatMap(({ name, path, why, min, methods = ['GET'] }) =>
    methods.map((method) =>
      route({
        ...{ name: `${name}:${method.toLowerCase()}`, method, path, ...(min === undefined ? {} : { min }) },
        ...{ policy: 'volume:extensions', note: `refused, 501: ${why}` },
        run() {
          throw notImplemented(`Not offered: ${why}.`);
        },
      }),
    ),
  );
}
