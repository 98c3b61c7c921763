/** What the cloud's services are told when their process starts. */
import type { Logger } from '../../fabric/logger.ts';
import type { ClusterOptions } from './config.ts';
import type { Credentials, KeystoneCredentials } from './credentials.ts';
import type { ClusterIdentity } from './identity.ts';

export interface CloudOptions {
  readonly directory: string;
  readonly identity: ClusterIdentity;
  /** Of our own identity. */
  readonly adminPassword: string;
  /** The configuration. */
  readonly config: ClusterOptions;
  readonly log: Logger;
}

/** The process listens at `own`, and clients reach it at `shown`. Empty where it serves no HTTP. */
export interface CloudUrls {
  readonly shown: string;
  readonly own: string;
}

export interface CloudCredentials {
  /** The administrator of our own identity. */
  readonly keystone?: KeystoneCredentials;
  /** As whom snapshots are kept in our own store. */
  readonly volumes?: Credentials;
}
