/**
 * Identity as a part of the cluster's process: its store, its administrator, its catalog, and the verifier through which the
 * proxy learns who a token or an access key stands for. Mounted under /identity of the main port.
 */
import path from 'node:path';
import { bootstrapIdentity, type CatalogEntry } from '../../compute/identity/bootstrap.ts';
import { type IdentityService, startIdentity } from '../../compute/identity/start.ts';
import { createTokenVerifier, type RunningVerifier } from '../../compute/identity/verifier.ts';
import type { AuditLog } from '../../control/audit.ts';
import { openAuditLog } from '../../control/audit-log.ts';
import type { ControlStore } from '../../control/contract.ts';
import { openLmdbStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { systemDisk } from '../../fabric/system-disk.ts';

export const IDENTITY_PREFIX = '/identity';
export const VOLUME_PREFIX = '/volume';
export const IMAGE_PREFIX = '/image';

export interface ClusterIdentityService {
  readonly store: ControlStore;
  readonly service: IdentityService;
  readonly verifier: RunningVerifier;
  readonly audit: AuditLog;
  /** Once it is known where clients reach us. Makes what is missing. */
  publish(url: string, region: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startClusterIdentity(options: {
  readonly directory: string;
  readonly adminPassword: string;
  readonly log: Logger;
}): Promise<ClusterIdentityService> {
  const { directory, adminPassword, log } = options;
  const home = path.join(directory, 'control');
  await systemDisk.makeDirectory(path.join(home, 'store'));
  const store = await openLmdbStore({ path: path.join(home, 'store'), clock: systemClock });
  const onError = (error: unknown): void => log.error({ err: error }, 'identity failed');
  const audit = await openAuditLog({ disk: systemDisk, folder: path.join(home, 'audit'), onError });
  const service = await startIdentity(
    { directory: path.join(home, 'identity'), prefix: IDENTITY_PREFIX, audit },
    { store, clock: systemClock, random: systemRandom, disk: systemDisk, onError },
  );
  const peer = createLocalPeer('identity', service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  return {
    ...{ store, service, verifier, audit },
    async publish(url, region) {
      await bootstrapIdentity(service.identity, { adminPassword, endpoints: catalogOf(url, region) });
    },
    async stop() {
      verifier.stop();
      service.stop();
      await peer.close();
      await audit.close();
      await store.close();
    },
  };
}

/** What clients find under the names they look for. */
function catalogOf(url: string, region: string): CatalogEntry[] {
  return [
    { type: 'identity', name: 'keystone', region, url: `${url}${IDENTITY_PREFIX}/v3` },
    { type: 'object-store', name: 'swift', region, url: `${url}/v1/AUTH_%(project_id)s`, adminUrl: `${url}/v1` },
    { type: 's3', name: 's3', region, url },
    { type: 'volumev3', name: 'cinderv3', region, url: `${url}${VOLUME_PREFIX}/v3/%(project_id)s` },
    { type: 'block-storage', name: 'cinder', region, url: `${url}${VOLUME_PREFIX}/v3/%(project_id)s` },
    // Commands of volumes look for it before they know whether they need it.
    { type: 'image', name: 'glance', region, url: `${url}${IMAGE_PREFIX}` },
  ];
}
