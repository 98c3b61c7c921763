/**
 * Which object store keeps the snapshots of this host's volumes: the cluster's own, or one elsewhere that the configuration
 * names (keys `volumes-…`), reached with v1 auth or through a Keystone. Only logs in; makes and reads nothing.
 */
import { readFileSync } from 'node:fs';
import { keystoneLogin, type SwiftLogin, swiftV1Login } from '../../block/repository/swift-login.ts';
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import type { HttpClient } from '../../fabric/net-http.ts';
import type { FileOptions } from './config.ts';
import type { Credentials } from './credentials.ts';

/** Of the object store; snapshots and backups lie in it. */
export const CONTAINER = 'volume-snapshots';

/** Of the configuration file; all absent: the cluster's own store. */
export type VolumeStoreOptions = Pick<
  FileOptions,
  | 'volumesAuthUrl'
  | 'volumesUser'
  | 'volumesKey'
  | 'volumesProject'
  | 'volumesDomain'
  | 'volumesRegion'
  | 'volumesContainer'
  | 'volumesCa'
>;

export const containerOf = ({ volumesContainer }: VolumeStoreOptions): string => volumesContainer ?? CONTAINER;

/** Certificates to trust, PEM: our own, and the remote store's. Fault BadConfig. */
export function trustedCa(own: string | undefined, { volumesCa: file }: VolumeStoreOptions): string | undefined {
  if (file === undefined) return own;
  try {
    return [own, readFileSync(file, 'utf8')].filter((pem) => pem !== undefined).join('\n');
  } catch {
    throw new Fault('BadConfig', { file }, `volumes-ca: ${file} cannot be read`);
  }
}

/** `own`: of this process's store, if it has one. Fault BadConfig when a part is missing. */
export function volumeLogin(http: HttpClient, own: Credentials | undefined, options: VolumeStoreOptions): SwiftLogin {
  const { volumesAuthUrl: authUrl, volumesUser: user, volumesKey: key, volumesProject: project } = options;
  if (authUrl === undefined) {
    assert(own !== undefined, 'services were checked');
    return swiftV1Login(http, own.swift);
  }
  if (user === undefined || key === undefined)
    throw new Fault('BadConfig', {}, 'volumes-auth-url needs volumes-user and volumes-key');
  if (project === undefined) return swiftV1Login(http, { authUrl, user, key });
  const domain = { name: options.volumesDomain ?? 'Default' };
  return keystoneLogin(http, {
    authUrl,
    identity: { methods: ['password'], password: { user: { name: user, password: key, domain } } },
    scope: { project: { name: project, domain } },
    ...(options.volumesRegion !== undefined && { region: options.volumesRegion }),
  });
}
