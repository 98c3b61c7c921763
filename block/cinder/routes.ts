/** All of Cinder's operations, in the order of docs/api-cinder.md. Each is served with and without the project's id in the URL. */
import { permitsRequest, type TokenContext } from '../../compute/identity/contract.ts';
import type { Route } from '../../control/service/types.ts';
import { attachmentRoutes } from './api/attachments.ts';
import { backupRoutes } from './api/backups.ts';
import { connectionRoutes } from './api/connections.ts';
import { encryptionRoutes } from './api/encryption.ts';
import { groupSnapshotRoutes } from './api/group-snapshots.ts';
import { groupTypeRoutes } from './api/group-types.ts';
import { groupRoutes } from './api/groups.ts';
import { metadataRoutes } from './api/metadata.ts';
import { discoveryRoutes, messageRoutes } from './api/misc.ts';
import { qosRoutes } from './api/qos.ts';
import { quotaRoutes } from './api/quotas.ts';
import { refusedRoutes } from './api/refused.ts';
import { serviceRoutes } from './api/services.ts';
import { snapshotRoutes } from './api/snapshots.ts';
import { transferRoutes } from './api/transfers.ts';
import { typeRoutes } from './api/types.ts';
import { volumeActionRoutes } from './api/volume-actions.ts';
import { volumeRoutes } from './api/volumes.ts';
import type { Cinder } from './cinder.ts';
import { forbidden } from './refusals.ts';

/** The lowest and highest microversion, and what clients read of them. */
export const CINDER_VERSIONS = {
  shape: 'cinder',
  list: [
    {
      id: 'v3.0',
      path: '/v3',
      status: 'CURRENT',
      minVersion: '3.0',
      maxVersion: '3.70',
      updated: '2022-08-31T00:00:00Z',
      mediaType: 'application/vnd.openstack.volume+json;version=3',
    },
  ],
} as const;

/** Paths begin behind `/v3/{project_id}`. */
export function cinderRoutes(cinder: Cinder): Route[] {
  return [
    ...[volumeRoutes, metadataRoutes, encryptionRoutes, volumeActionRoutes, connectionRoutes, attachmentRoutes],
    ...[snapshotRoutes, backupRoutes, typeRoutes, qosRoutes, transferRoutes, quotaRoutes, messageRoutes],
    ...[groupRoutes, groupSnapshotRoutes, groupTypeRoutes, serviceRoutes, discoveryRoutes, refusedRoutes],
  ].flatMap((make) => make(cinder));
}

/** Since 3.67 the project may be left out; servers never minded the version. */
export const WITHOUT_PROJECT = ', no project';

export function inBothForms(routes: readonly Route[]): Route[] {
  return routes.map(guarded).flatMap((one) => [
    { ...one, path: `/v3/{project_id}${one.path}` },
    { ...one, name: `${one.name}${WITHOUT_PROJECT}`, path: `/v3${one.path}` },
  ]);
}

const CATALOG_TYPES = ['volumev3', 'block-storage'];

/** Access rules of an application credential hold here as they do in any service. */
function guarded(one: Route): Route {
  return {
    ...one,
    run(call) {
      const { accessRules } = call.credentials as Partial<TokenContext>;
      const asked = { method: call.request.method, path: call.path };
      if (accessRules && !CATALOG_TYPES.some((service) => permitsRequest({ accessRules }, { service, ...asked })))
        throw forbidden('No access rule of the application credential allows this.');
      return one.run(call);
    },
  };
}
