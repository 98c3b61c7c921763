/** Cinder behind identity, for real commands: each on a port, in one catalog, with the place of an image service. */
import type { Test } from 'tap';
import type { HostLink } from '../block/cinder/model/hosts.ts';
import { createTokenVerifier } from '../compute/identity/verifier.ts';
import { systemClock } from '../fabric/clock.ts';
import type { HttpHandler } from '../fabric/http/contract.ts';
import { listen } from '../fabric/http/engine.ts';
import { createLocalPeer } from '../fabric/rpc/local.ts';
import { type CinderBed, startCinderBed } from './cinder-bed.ts';
import { ADMIN_PASSWORD, startIdentityBed } from './identity-bed.ts';

/** Identity and volumes, each on a port, and the environment in which commands find them. */
export async function startCinderCloud(t: Test, links: ReadonlyMap<string, HostLink>) {
  let cinder: HttpHandler | undefined;
  const address = { host: '127.0.0.1', port: 0 };
  const handler: HttpHandler = (request) =>
    request.path.startsWith('/image') ? imageVersions(request) : (cinder as HttpHandler)(request);
  const listener = await listen('node', handler, address, { clock: systemClock, onError: t.error });
  t.teardown(() => listener.drain(100));
  const own = `http://127.0.0.1:${listener.port}`;
  const identity = await startIdentityBed({
    endpoints: (url) => [
      { type: 'identity', name: 'keystone', region: 'RegionOne', url: `${url}/v3` },
      { type: 'volumev3', name: 'cinderv3', region: 'RegionOne', url: `${own}/v3/%(project_id)s` },
      { type: 'block-storage', name: 'cinder', region: 'RegionOne', url: `${own}/v3/%(project_id)s` },
      { type: 'image', name: 'glance', region: 'RegionOne', url: `${own}/image` },
    ],
  });
  t.teardown(() => identity.stop());
  const peer = createLocalPeer('identity', identity.service.handlers, { clock: systemClock });
  const verifier = createTokenVerifier({ peer, clock: systemClock });
  t.teardown(async () => {
    verifier.stop();
    await peer.close();
  });
  const bed: CinderBed = await startCinderBed({ links, authenticate: (token) => verifier.authenticate(token) });
  t.teardown(() => bed.stop());
  cinder = bed.service.handler;
  const env = {
    ...{ OS_AUTH_URL: `${identity.url}/v3`, OS_IDENTITY_API_VERSION: '3', OS_REGION_NAME: 'RegionOne' },
    ...{ OS_USER_DOMAIN_NAME: 'Default', OS_PROJECT_DOMAIN_NAME: 'Default', OS_USERNAME: 'admin' },
    ...{ OS_PASSWORD: ADMIN_PASSWORD, OS_PROJECT_NAME: 'admin', OS_VOLUME_API_VERSION: '3.59' },
  };
  return { env, bed };
}

const imageVersions: HttpHandler = (request) => {
  const href = `http://${request.headers.get('host')}/image/v2/`;
  const body = JSON.stringify({ versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href }] }] });
  return { status: 300, headers: ['Content-Type', 'application/json'], body };
};
