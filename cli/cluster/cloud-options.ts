/** What the cloud beside the store is told when the cluster starts. */
import type { Logger } from '../../fabric/logger.ts';
import type { ClusterIdentity } from './identity.ts';
import type { ClusterIdentityOptions } from './identity-service.ts';
import type { VolumeStoreOptions } from './volume-store.ts';

export interface CloudOptions {
  readonly directory: string;
  readonly identity: ClusterIdentity;
  readonly adminPassword: string;
  /** Address that the cluster listens on. */
  readonly address: string;
  /** Where other regions find our identity, or where another's is. */
  readonly regions: Pick<ClusterIdentityOptions, 'identityListen' | 'identityLink'>;
  /** Files of the operator's own rules. */
  readonly policies: { readonly identityPolicy?: string | undefined; readonly volumePolicy?: string | undefined };
  /** Where volumes' snapshots are kept, if not here. */
  readonly store: VolumeStoreOptions;
  /** PEM of our own certificate, when we serve TLS. */
  readonly ca?: string | undefined;
  readonly log: Logger;
}

/** The cluster listens at `own`, and clients reach it at `shown`. */
export interface CloudUrls {
  readonly shown: string;
  readonly own: string;
}
