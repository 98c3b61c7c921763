/**
 * The cloud beside the store, in the cluster's process: identity, whose tokens and keys the proxy takes, and the volumes of
 * this host. Starts in two steps, because clients' URLs are known only once the proxy listens; ends before the proxy does.
 */

import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { KEYSTONE_ROLES, Keystone } from '../../proxy/auth/keystone.ts';
import { writeCloudFiles } from './cloud-files.ts';
import type { CredentialsFile } from './credentials.ts';
import type { ClusterIdentity } from './identity.ts';
import { type ClusterIdentityService, IDENTITY_PREFIX, startClusterIdentity } from './identity-service.ts';
import { withMounts } from './mounts.ts';
import { type HostVolumes, startHostVolumes } from './volumes.ts';

export interface CloudOptions {
  readonly directory: string;
  readonly identity: ClusterIdentity;
  readonly adminPassword: string;
  /** Address that the cluster listens on. */
  readonly address: string;
  /** PEM of our own certificate, when we serve TLS. */
  readonly ca?: string | undefined;
  readonly log: Logger;
}

export interface Cloud {
  readonly keystone: Keystone;
  /** The main port's handler with the cloud's services in front. */
  mount(rest: HttpHandler): HttpHandler;
  /** Where identity is found at `url`. */
  authUrl(url: string): string;
  /** The cluster listens at `url`: catalog, clients' files, volumes. */
  open(url: string, credentials: CredentialsFile): Promise<void>;
  stop(): Promise<void>;
}

export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { directory, identity: cluster, adminPassword, address, ca, log } = options;
  const identity: ClusterIdentityService = await startClusterIdentity({ directory, adminPassword, log });
  let volumes: HostVolumes | undefined;
  return {
    keystone: new Keystone({ verifier: identity.verifier, ...KEYSTONE_ROLES }),
    mount: (rest) => withMounts([{ prefix: IDENTITY_PREFIX, handler: identity.service.handler }], rest),
    authUrl: (url) => `${url}${IDENTITY_PREFIX}/v3`,
    async open(url, credentials) {
      const { keystone } = credentials;
      const { region } = cluster;
      await identity.publish(url, region);
      await writeCloudFiles(directory, { keystone, region, verify: !url.startsWith('https:') }, systemDisk);
      volumes = await startHostVolumes({
        directory,
        identity: cluster,
        storage: credentials.volumes,
        address,
        ca,
        log,
      });
    },
    async stop() {
      await volumes?.stop();
      await identity.stop();
    },
  };
}
