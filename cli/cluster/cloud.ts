/**
 * The cloud beside the store, in the cluster's process: identity, whose tokens and keys the proxy takes, and the volumes of
 * this host. Starts in two steps, because clients' URLs are known only once the proxy listens; ends before the proxy does.
 */

import type { HttpHandler, HttpResponse } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { KEYSTONE_ROLES, Keystone } from '../../proxy/auth/keystone.ts';
import { type ClusterCinder, startClusterCinder } from './cinder.ts';
import { writeCloudFiles } from './cloud-files.ts';
import type { Credentials, CredentialsFile } from './credentials.ts';
import type { ClusterIdentity } from './identity.ts';
import {
  type ClusterIdentityOptions,
  IDENTITY_PREFIX,
  IMAGE_PREFIX,
  startClusterIdentity,
  VOLUME_PREFIX,
} from './identity-service.ts';
import { imagePlace } from './image-place.ts';
import { withMounts } from './mounts.ts';
import type { VolumeStoreOptions } from './volume-store.ts';
import { type HostVolumes, startHostVolumes } from './volumes.ts';

export interface CloudOptions {
  readonly directory: string;
  readonly identity: ClusterIdentity;
  readonly adminPassword: string;
  /** Address that the cluster listens on. */
  readonly address: string;
  /** Where other regions find our identity, or where another's is. */
  readonly regions: Pick<ClusterIdentityOptions, 'identityListen' | 'identityLink'>;
  /** Where volumes' snapshots are kept, if not here. */
  readonly store: VolumeStoreOptions;
  /** PEM of our own certificate, when we serve TLS. */
  readonly ca?: string | undefined;
  readonly log: Logger;
}

export interface Cloud {
  readonly keystone: Keystone;
  /** The main port's handler with the cloud's services in front. */
  mount(rest: HttpHandler): HttpHandler;
  /** Its administrator is ours to name. */
  readonly ownsIdentity: boolean;
  /** Where identity is found, when this cluster is reached at `url`. */
  authUrl(url: string): string;
  /** The cluster listens at `own`, and clients reach it at `shown`: catalog, clients' files, volumes. */
  open(urls: { readonly shown: string; readonly own: string }, credentials: CredentialsFile): Promise<void>;
  stop(): Promise<void>;
}

/** Between the first listening and the start of the volumes. */
const NOT_YET: HttpResponse = { status: 503, headers: ['Retry-After', '1'] };

export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { directory, identity: cluster, adminPassword, address, regions, store, ca, log } = options;
  const identity = await startClusterIdentity({ directory, cluster, adminPassword, ...regions, log });
  let volumes: HostVolumes | undefined;
  let cinder: ClusterCinder | undefined;
  const images = imagePlace(identity, log);
  return {
    keystone: new Keystone({ verifier: identity.verifier, ...KEYSTONE_ROLES }),
    mount: (rest) =>
      withMounts(
        [
          ...(identity.handler ? [{ prefix: IDENTITY_PREFIX, handler: identity.handler }] : []),
          { prefix: VOLUME_PREFIX, handler: (request) => cinder?.handler(request) ?? NOT_YET },
          { prefix: IMAGE_PREFIX, handler: images },
        ],
        rest,
      ),
    authUrl: (url) => identity.authUrl(url),
    ownsIdentity: identity.handler !== undefined,
    async open({ shown: url, own }, credentials) {
      const { keystone } = credentials;
      const { region } = cluster;
      await identity.publish(url, region);
      const verify = !url.startsWith('https:');
      if (keystone) await writeCloudFiles(directory, { keystone, region, verify }, systemDisk);
      volumes = await startHostVolumes({
        directory,
        identity: cluster,
        storage: storageAt(own, credentials),
        store,
        address,
        ca,
        log,
      });
      cinder = await startClusterCinder({ identity, volumes, url, log });
    },
    async stop() {
      await cinder?.stop();
      await volumes?.stop();
      await identity.stop();
    },
  };
}

/** Volumes reach the store without a detour. */
function storageAt(own: string, { volumes }: CredentialsFile): Credentials {
  return { ...volumes, swift: { ...volumes.swift, authUrl: `${own}/auth/v1.0` } };
}
