/**
 * All that the cloud is made of, put together: identity, the volumes of this host, Cinder in front of them. Imported when the
 * cloud is first needed, because it is as much code as the store itself.
 */
import type { TokenVerifier } from '../../compute/identity/contract.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Handlers } from '../../fabric/rpc/contract.ts';
import { startClusterCinder } from './cinder.ts';
import type { CloudOptions, CloudUrls } from './cloud-options.ts';
import type { Credentials } from './credentials.ts';
import { startClusterIdentity } from './identity-service.ts';
import { imagePlace } from './image-place.ts';
import { readPolicy } from './policy-files.ts';
import { startHostVolumes } from './volumes.ts';

export interface CloudServices {
  readonly verifier: TokenVerifier;
  /** Absent where identity is another region's. */
  readonly identity: HttpHandler | undefined;
  readonly volume: HttpHandler;
  readonly image: HttpHandler;
  /** Of this host's volumes, for its operator. */
  readonly volumeCalls: Handlers;
  stop(): Promise<void>;
}

/** `storage`: as whom snapshots are kept. */
export async function startCloudServices(
  options: CloudOptions,
  { shown, own }: CloudUrls,
  storage: Credentials,
): Promise<CloudServices> {
  const { directory, identity: cluster, adminPassword, address, regions, policies, store, ca, log } = options;
  const policy = readPolicy('identity', policies.identityPolicy);
  const identity = await startClusterIdentity({ directory, cluster, adminPassword, policy, ...regions, log });
  await identity.publish(shown, cluster.region);
  const near = { ...storage, swift: { ...storage.swift, authUrl: `${own}/auth/v1.0` } };
  const volumes = await startHostVolumes({ directory, storage: near, store, address, ca, log });
  const cinder = await startClusterCinder({
    ...{ identity, volumes, url: shown, log },
    policy: readPolicy('volume', policies.volumePolicy),
  });
  return {
    ...{ verifier: identity.verifier, identity: identity.handler, volume: cinder.handler },
    image: imagePlace(identity, log),
    volumeCalls: volumes.volumes.service,
    async stop() {
      await cinder.stop();
      await volumes.stop();
      await identity.stop();
    },
  };
}
