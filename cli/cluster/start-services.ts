/**
 * A process without a store: identity, Cinder, the volumes of a host, any of them alone or together. The same data directory,
 * lock and secrets as a cluster's, but no zones; a port for HTTP only where there is an API to serve.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { stayAlive } from '../../fabric/clock.ts';
import type { HttpHandler, HttpListener } from '../../fabric/http/contract.ts';
import { listen } from '../../fabric/http/engine.ts';
import { createLogger, type Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { Cloud, checkCloudFiles } from './cloud.ts';
import { authUrlAt } from './cloud-places.ts';
import type { ClusterOptions } from './config.ts';
import { openAdministrator } from './credentials.ts';
import { hostId } from './host-id.ts';
import { openClusterIdentity } from './identity.ts';
import { listenerPlace, listenerWorld, urlOf } from './listener.ts';
import { lockDirectory } from './lock.ts';
import { claimRunDirectory, writePids } from './pids.ts';

const DRAIN_MS = 15_000;

export interface RunningServices {
  readonly directory: string;
  /** Of the APIs; absent where there are none. */
  readonly url: string | undefined;
  /** What Cinder calls this host, if it has volumes. */
  readonly volumeHost: string | undefined;
  stop(): Promise<void>;
}

export async function startServices(options: ClusterOptions): Promise<RunningServices> {
  const directory = path.resolve(options.data);
  const log = createLogger({ level: options.logLevel });
  await checkCloudFiles(options);
  const cluster = await openClusterIdentity(directory, systemDisk, systemRandom);
  const unlock = lockDirectory(directory);
  const run = path.join(directory, 'run');
  // Sockets alone do not keep a process.
  const alive = stayAlive();
  const close = (): void => {
    alive.cancel();
    rmSync(run, { recursive: true, force: true });
    unlock();
  };
  try {
    await claimRunDirectory(run);
    writePids(run, {});
    const identity = { ...cluster, region: options.region ?? cluster.region };
    return await serve(options, { directory, identity, log, close });
  } catch (error) {
    close();
    throw error;
  }
}

interface Opened {
  readonly directory: string;
  readonly identity: Awaited<ReturnType<typeof openClusterIdentity>>;
  readonly log: Logger;
  readonly close: () => void;
}

async function serve(options: ClusterOptions, { directory, identity, log, close }: Opened): Promise<RunningServices> {
  const { services, publicUrl } = options;
  const administrator = services.includes('identity')
    ? openAdministrator(directory, systemDisk, systemRandom)
    : undefined;
  const cloud = new Cloud({ directory, identity, adminPassword: administrator?.password ?? '', config: options, log });
  const isServed = services.includes('identity') || services.includes('cinder');
  const listener = isServed ? await openListener(options, cloud.mount(healthOnly), log) : undefined;
  const own = listener ? urlOf(options, listener) : '';
  const shown = publicUrl ?? own;
  const stop = async (): Promise<void> => {
    await cloud.stop();
    await listener?.drain(DRAIN_MS);
    close();
  };
  try {
    const keystone = await administrator?.publish(authUrlAt(shown));
    await cloud.open({ shown, own }, keystone ? { keystone } : {});
  } catch (error) {
    await stop();
    throw error;
  }
  const volumeHost = services.includes('volumes') ? await hostId(directory) : undefined;
  return { directory, url: listener && own, volumeHost, stop };
}

function openListener(options: ClusterOptions, handler: HttpHandler, log: Logger): Promise<HttpListener> {
  return listen('node', handler, { ...listenerPlace(options), port: options.port }, listenerWorld(log));
}

const healthOnly: HttpHandler = ({ path: place }) => {
  if (place !== '/healthcheck') return { status: 404, headers: [] };
  return { status: 200, headers: ['Content-Type', 'text/plain'], body: 'OK' };
};
