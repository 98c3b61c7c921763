/**
 * Cinder's API as a part of this process: its rows in the control store, the volumes of this host and of others behind it. Mounted
 * under /volume of the main port.
 */
import type { HostLink } from '../../block/cinder/model/hosts.ts';
import { type CinderService, startCinder } from '../../block/cinder/start.ts';
import { VOLUME_SERVICE } from '../../block/volumes/contract.ts';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { createLocalPeer } from '../../fabric/rpc/local.ts';
import { VOLUME_PREFIX } from './cloud-places.ts';
import type { ControlState } from './control-state.ts';
import type { ClusterIdentity } from './identity.ts';
import type { ClusterIdentityService } from './identity-contract.ts';
import { connectLink } from './link.ts';
import type { PolicyRules } from './policy-files.ts';
import type { VolumeHostOptions } from './services.ts';
import { readVolumesLink } from './volume-calls.ts';
import type { HostVolumes } from './volumes.ts';

export interface ClusterCinder {
  readonly handler: HttpHandler;
  stop(): Promise<void>;
}

export interface ClusterCinderOptions {
  readonly state: ControlState;
  readonly cluster: ClusterIdentity;
  readonly identity: ClusterIdentityService;
  /** Of this host, if it has any. */
  readonly volumes: HostVolumes | undefined;
  /** Elsewhere. */
  readonly hosts: readonly VolumeHostOptions[];
  /** Of hosts without one of their own. */
  readonly zone: string | undefined;
  /** Of the object store, where snapshots and backups lie. */
  readonly container: string;
  /** That this process is reached by. */
  readonly url: string;
  /** The operator's own rules. */
  readonly policy: PolicyRules;
  readonly log: Logger;
}

export async function startClusterCinder(options: ClusterCinderOptions): Promise<ClusterCinder> {
  const { state, cluster, identity, zone, container, url, policy, log } = options;
  const { store, audit } = state;
  const hosts = hostLinks(options);
  const cinder: CinderService = await startCinder(
    {
      ...{ holder: `cinder/${cluster.clusterId}`, hosts, policy, audit, prefix: VOLUME_PREFIX },
      settings: { container, ...(zone !== undefined && { zone }) },
      identityUrl: identity.authUrl(url).replace(/\/v3$/, ''),
    },
    {
      ...{ store, clock: systemClock, random: systemRandom },
      authenticate: (token) => identity.verifier.authenticate(token),
      onError: (error) => log.error({ err: error }, 'cinder failed'),
    },
  );
  return {
    handler: cinder.handler,
    async stop() {
      await cinder.stop();
      for (const { peer } of hosts.values()) await peer.close();
    },
  };
}

function hostLinks({ cluster, volumes, hosts, log }: ClusterCinderOptions): Map<string, HostLink> {
  const links = new Map<string, HostLink>();
  if (volumes) {
    const { host } = volumes;
    links.set(host, { peer: createLocalPeer(host, volumes.volumes.service, { clock: systemClock, log }) });
  }
  for (const { link: file, zone, backend } of hosts) {
    const link = readVolumesLink(file);
    if (links.has(link.volumeHost))
      throw new Fault('BadConfig', { file }, `volume-hosts: ${file} is of a host that is there already`);
    const { volumeHost } = link;
    const named = { caller: `cinder ${cluster.region}`, log: log.child({ volumeHost }) };
    const peer = connectLink(VOLUME_SERVICE, link, named);
    links.set(volumeHost, { peer, ...(zone && { zone }), ...(backend && { backendName: backend }) });
  }
  return links;
}
