/**
 * Identity as a part of the cluster's process: its store, its administrator, its catalog, and the verifier through which the
 * proxy learns who a token or an access key stands for. Mounted under /identity of the main port. Or, where another region
 * holds it, the verifier alone.
 */
import path from 'node:path';
import { bootstrapIdentity, type CatalogEntry } from '../../compute/identity/bootstrap.ts';
import { startIdentity } from '../../compute/identity/start.ts';
import { createTokenVerifier, type RunningVerifier } from '../../compute/identity/verifier.ts';
import type { AuditLog } from '../../control/audit.ts';
import { openAuditLog } from '../../control/audit-log.ts';
import type { ControlStore } from '../../control/contract.ts';
import { openLmdbStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import type { RpcListener } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { IDENTITY_PREFIX, IMAGE_PREFIX, VOLUME_PREFIX } from './cloud-places.ts';
import type { ClusterIdentity } from './identity.ts';
import { type Announcement, announce, connectLink, listenForRegions, readLink, writeLink } from './identity-link.ts';
import type { PolicyRules } from './policy-files.ts';

/** The identity of this cluster: its own, or another region's over a link. */
export interface ClusterIdentityService {
  /** Of this cluster's services, identity among them where it is its own. */
  readonly store: ControlStore;
  readonly audit: AuditLog;
  readonly verifier: RunningVerifier;
  /** Absent where identity is another region's. */
  readonly handler: HttpHandler | undefined;
  /** Where clients log in, when this cluster is reached at `url`. */
  authUrl(url: string): string;
  /** Once it is known where clients reach us. Makes what is missing. */
  publish(url: string, region: string): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterIdentityOptions {
  readonly directory: string;
  readonly cluster: ClusterIdentity;
  readonly adminPassword: string;
  /** The operator's own rules. */
  readonly policy: PolicyRules;
  /** HOST:PORT where other regions may ask. */
  readonly identityListen?: string | undefined;
  /** Another region's DIR/identity-link.json. */
  readonly identityLink?: string | undefined;
  readonly log: Logger;
}

export async function startClusterIdentity(options: ClusterIdentityOptions): Promise<ClusterIdentityService> {
  const { directory, log } = options;
  const home = path.join(directory, 'control');
  await systemDisk.makeDirectory(path.join(home, 'store'));
  const store = await openLmdbStore({ path: path.join(home, 'store'), clock: systemClock });
  const onError = (error: unknown): void => log.error({ err: error }, 'identity failed');
  const audit = await openAuditLog({ disk: systemDisk, folder: path.join(home, 'audit'), onError });
  const state = { store, audit, home, onError };
  const identity = options.identityLink === undefined ? await ownIdentity(options, state) : linkedIdentity(options);
  return {
    ...{ store, audit },
    ...identity,
    async stop() {
      await identity.stop();
      await audit.close();
      await store.close();
    },
  };
}

type Identity = Omit<ClusterIdentityService, 'store' | 'audit'>;

interface State {
  readonly store: ControlStore;
  readonly audit: AuditLog;
  readonly home: string;
  readonly onError: (error: unknown) => void;
}

async function ownIdentity(options: ClusterIdentityOptions, { store, audit, home, onError }: State): Promise<Identity> {
  const { directory, cluster, adminPassword, policy, identityListen: address, log } = options;
  const service = await startIdentity(
    { directory: path.join(home, 'identity'), prefix: IDENTITY_PREFIX, policy, audit },
    { store, clock: systemClock, random: systemRandom, disk: systemDisk, onError },
  );
  const peer = createLocalPeer('identity', service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  const announced = async ({ endpoints }: Announcement): Promise<void> => {
    await bootstrapIdentity(service.identity, { adminPassword, endpoints });
  };
  const authUrl = (url: string): string => `${url}${IDENTITY_PREFIX}/v3`;
  let listener: RpcListener | undefined;
  return {
    ...{ verifier, handler: service.handler, authUrl },
    async publish(url, region) {
      await announced({ endpoints: catalogOf({ url, authUrl: authUrl(url), region }) });
      if (address === undefined) return;
      listener = await listenForRegions({ address, cluster, handlers: service.handlers, announced, log });
      await writeLink(directory, cluster, { listener, authUrl: authUrl(url) });
    },
    async stop() {
      await listener?.close();
      verifier.stop();
      service.stop();
      await peer.close();
    },
  };
}

function linkedIdentity({ identityLink, cluster, log }: ClusterIdentityOptions): Identity {
  const link = readLink(identityLink as string);
  const peer = connectLink(link, cluster.region);
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  return {
    ...{ verifier, handler: undefined, authUrl: () => link.authUrl },
    async publish(url, region) {
      try {
        await announce(peer, { endpoints: catalogOf({ url, authUrl: link.authUrl, region }) });
      } catch (error) {
        // The store works without; its endpoints are announced at the next start.
        log.error({ err: error, host: link.host, port: link.port }, 'the region of identity does not answer');
      }
    },
    async stop() {
      verifier.stop();
      await peer.close();
    },
  };
}

interface Places {
  readonly url: string;
  readonly authUrl: string;
  readonly region: string;
}

/** What clients find under the names they look for. */
function catalogOf({ url, authUrl, region }: Places): CatalogEntry[] {
  return [
    { type: 'identity', name: 'keystone', region, url: authUrl },
    { type: 'object-store', name: 'swift', region, url: `${url}/v1/AUTH_%(project_id)s`, adminUrl: `${url}/v1` },
    { type: 's3', name: 's3', region, url },
    { type: 'volumev3', name: 'cinderv3', region, url: `${url}${VOLUME_PREFIX}/v3/%(project_id)s` },
    { type: 'block-storage', name: 'cinder', region, url: `${url}${VOLUME_PREFIX}/v3/%(project_id)s` },
    // Commands of volumes look for it before they know whether they need it.
    { type: 'image', name: 'glance', region, url: `${url}${IMAGE_PREFIX}` },
  ];
}
