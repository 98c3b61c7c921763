/**
 * Identity as a part of this process: its administrator, its catalog, and the verifier through which the proxy and Cinder learn
 * who a token or an access key stands for. Mounted under /identity of the main port. Where another process holds it there is
 * the verifier alone (identity-link.ts).
 */
import path from 'node:path';
import { bootstrapIdentity, type CatalogEntry } from '../../compute/identity/bootstrap.ts';
import { startIdentity } from '../../compute/identity/start.ts';
import { createTokenVerifier } from '../../compute/identity/verifier.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import type { RpcListener } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { authUrlAt, IDENTITY_PREFIX } from './cloud-places.ts';
import type { ControlState } from './control-state.ts';
import type { ClusterIdentity } from './identity.ts';
import { ANNOUNCE, type Announcement, type ClusterIdentityService } from './identity-contract.ts';
import { listenForLinks } from './link.ts';
import type { PolicyRules } from './policy-files.ts';

export interface OwnIdentityOptions {
  readonly directory: string;
  readonly state: ControlState;
  readonly cluster: ClusterIdentity;
  readonly adminPassword: string;
  /** The operator's own rules. */
  readonly policy: PolicyRules;
  /** HOST:PORT where other processes may ask, and what they are told to log in at. */
  readonly listen: { readonly address: string; readonly authUrl: string } | undefined;
  readonly log: Logger;
}

export async function startOwnIdentity(options: OwnIdentityOptions): Promise<ClusterIdentityService> {
  const { directory, state, cluster, adminPassword, policy, listen, log } = options;
  const { store, audit } = state;
  const onError = (error: unknown): void => log.error({ err: error }, 'identity failed');
  const service = await startIdentity(
    { directory: path.join(state.home, 'identity'), prefix: IDENTITY_PREFIX, policy, audit },
    { store, clock: systemClock, random: systemRandom, disk: systemDisk, onError },
  );
  const peer = createLocalPeer('identity', service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  const publish = async (endpoints: readonly CatalogEntry[]): Promise<void> => {
    await bootstrapIdentity(service.identity, { adminPassword, endpoints });
  };
  const announced = async ({ endpoints }: Announcement) => {
    await publish(endpoints);
    return { value: {} };
  };
  let listener: RpcListener | undefined;
  return {
    ...{ verifier, handler: service.handler, authUrl: authUrlAt },
    async publish(endpoints) {
      await publish(endpoints);
      if (listen === undefined) return;
      const handlers = { ...service.handlers, [ANNOUNCE]: announced };
      const { address, authUrl } = listen;
      listener = await listenForLinks('identity', { address, directory, cluster, handlers, log, about: { authUrl } });
    },
    async stop() {
      await listener?.close();
      verifier.stop();
      service.stop();
      await peer.close();
    },
  };
}
