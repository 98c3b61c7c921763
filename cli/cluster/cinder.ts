/**
 * Cinder's API as a part of the cluster's process: its rows in the cloud's store, this host's volumes behind it. Mounted under
 * /volume of the main port.
 */
import { type CinderService, startCinder } from '../../block/cinder/start.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { VOLUME_PREFIX } from './cloud-places.ts';
import type { ClusterIdentityService } from './identity-service.ts';
import type { PolicyRules } from './policy-files.ts';
import type { HostVolumes } from './volumes.ts';

export interface ClusterCinder {
  readonly handler: HttpHandler;
  stop(): Promise<void>;
}

export async function startClusterCinder(options: {
  readonly identity: ClusterIdentityService;
  readonly volumes: HostVolumes;
  /** That the cluster is reached by. */
  readonly url: string;
  /** The operator's own rules. */
  readonly policy: PolicyRules;
  readonly log: Logger;
}): Promise<ClusterCinder> {
  const { identity, volumes, url, policy, log } = options;
  const { store, verifier, audit } = identity;
  const peer = createLocalPeer(volumes.host, volumes.volumes.service, { clock: systemClock, log });
  const cinder: CinderService = await startCinder(
    {
      holder: `cinder/${volumes.host}`,
      hosts: new Map([[volumes.host, { peer }]]),
      settings: { container: volumes.container },
      prefix: VOLUME_PREFIX,
      policy,
      identityUrl: identity.authUrl(url).replace(/\/v3$/, ''),
      audit,
    },
    {
      ...{ store, clock: systemClock, random: systemRandom },
      authenticate: (token) => verifier.authenticate(token),
      onError: (error) => log.error({ err: error }, 'cinder failed'),
    },
  );
  return {
    handler: cinder.handler,
    async stop() {
      await cinder.stop();
      await peer.close();
    },
  };
}
