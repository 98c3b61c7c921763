/**
 * All that the cloud is made of in this process, put together: identity or a link to it, the volumes of this host, Cinder.
 * Imported when the cloud is first needed, and each part when it is one of this process: together they are as much code as
 * the store itself.
 */
import { readFileSync } from 'node:fs';
import type { TokenVerifier } from '../../compute/identity/contract.ts';
import type { HttpHandler } from '../../fabric/http/contract.ts';
import type { Handlers } from '../../fabric/rpc/contract.ts';
import { catalogOf } from './catalog.ts';
import type { CloudCredentials, CloudOptions, CloudUrls } from './cloud-options.ts';
import { authUrlAt } from './cloud-places.ts';
import type { ControlState } from './control-state.ts';
import type { ClusterIdentityService } from './identity-contract.ts';
import { containerOf } from './volume-store.ts';
import type { HostVolumes } from './volumes.ts';

export interface CloudServices {
  readonly verifier: TokenVerifier;
  /** Each is absent where it is not a service of this process. */
  readonly identity: HttpHandler | undefined;
  readonly volume: HttpHandler | undefined;
  readonly image: HttpHandler | undefined;
  /** Of this host's volumes. */
  readonly volumeCalls: Handlers;
  stop(): Promise<void>;
}

/** What runs so far is stopped in the opposite order, also when the next part does not start. */
type Stops = (() => Promise<void>)[];

const NO_TOKENS: TokenVerifier = { authenticate: () => undefined, accessKey: () => undefined };

export async function startCloudServices(
  options: CloudOptions,
  urls: CloudUrls,
  credentials: CloudCredentials,
): Promise<CloudServices> {
  const stops: Stops = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    return { ...(await startParts(options, { urls, credentials, stops })), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Starting {
  readonly urls: CloudUrls;
  readonly credentials: CloudCredentials;
  readonly stops: Stops;
}

async function startParts(options: CloudOptions, starting: Starting): Promise<Omit<CloudServices, 'stop'>> {
  const state = await controlState(options, starting);
  const identity = await startIdentity(options, { ...starting, state });
  const volumes = await startVolumes(options, starting);
  const cinder = state && identity ? await startCinder(options, { ...starting, state, identity, volumes }) : undefined;
  return {
    ...{ verifier: identity?.verifier ?? NO_TOKENS, identity: identity?.handler, volume: cinder?.handler },
    image: cinder?.image,
    volumeCalls: volumes?.volumes.service ?? {},
  };
}

async function controlState({ directory, config, log }: CloudOptions, { stops }: Starting) {
  if (!config.services.includes('identity') && !config.services.includes('cinder')) return undefined;
  const { openControlState } = await import('./control-state.ts');
  const state = await openControlState(directory, log);
  stops.push(() => state.close());
  return state;
}

/** Undefined: tokens are nobody's here. */
async function startIdentity(
  options: CloudOptions,
  { urls, stops, state }: Starting & { readonly state: ControlState | undefined },
): Promise<ClusterIdentityService | undefined> {
  const { directory, identity: cluster, adminPassword, config, log } = options;
  const { services, identityLink, identityListen: address, identityPolicy } = config;
  let identity: ClusterIdentityService;
  if (state && services.includes('identity')) {
    const { startOwnIdentity } = await import('./identity-service.ts');
    const { readPolicy } = await import('./policy-files.ts');
    const policy = readPolicy('identity', identityPolicy);
    const listen = address === undefined ? undefined : { address, authUrl: authUrlAt(urls.shown) };
    identity = await startOwnIdentity({ directory, state, cluster, adminPassword, policy, listen, log });
  } else if (identityLink !== undefined) {
    const { linkedIdentity, readIdentityLink } = await import('./identity-link.ts');
    identity = linkedIdentity(readIdentityLink(identityLink), { caller: `region ${cluster.region}`, log });
  } else return undefined;
  stops.push(() => identity.stop());
  const places = { url: urls.shown, authUrl: identity.authUrl(urls.shown), region: cluster.region };
  await identity.publish(catalogOf(services, places));
  return identity;
}

async function startVolumes(
  { directory, config, log }: CloudOptions,
  { urls, credentials, stops }: Starting,
): Promise<HostVolumes | undefined> {
  if (!config.services.includes('volumes')) return undefined;
  const { startHostVolumes } = await import('./volumes.ts');
  const { volumes: own } = credentials;
  const storage = own && { ...own, swift: { ...own.swift, authUrl: `${urls.own}/auth/v1.0` } };
  // PEM of our own certificate, with which our own store is served.
  const ca = config.tlsCert === undefined ? undefined : readFileSync(config.tlsCert, 'utf8');
  const volumes = await startHostVolumes({ directory, storage, store: config, address: config.host, ca, log });
  stops.push(() => volumes.stop());
  return volumes;
}

interface CinderParts extends Starting {
  readonly state: ControlState;
  readonly identity: ClusterIdentityService;
  readonly volumes: HostVolumes | undefined;
}

async function startCinder(
  { identity: cluster, config, log }: CloudOptions,
  { urls, stops, state, identity, volumes }: CinderParts,
) {
  if (!config.services.includes('cinder')) return undefined;
  const { startClusterCinder } = await import('./cinder.ts');
  const { imagePlace } = await import('./image-place.ts');
  const { readPolicy } = await import('./policy-files.ts');
  const { volumeHosts: hosts, volumeZone: zone, volumePolicy } = config;
  const policy = readPolicy('volume', volumePolicy);
  const container = containerOf(config);
  const cinder = await startClusterCinder({
    ...{ state, cluster, identity, volumes, hosts, zone, container, url: urls.shown, policy, log },
  });
  stops.push(() => cinder.stop());
  return { handler: cinder.handler, image: imagePlace(identity, log) };
}
