/**
 * How one process finds a service of another: it listens on TCP and writes DIR/NAME-link.json (address, id, secret); a copy of
 * that file is all the other one needs. The secret is the service's own, made from its cluster's: it opens nothing else.
 */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer, type SocketPeer } from '../../fabric/rpc/client.ts';
import type { Handlers, RpcLog } from '../../fabric/rpc/contract.ts';
import { listenRpc, type RpcListener } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { ClusterIdentity } from './identity.ts';

const VERSION = 1;
const MODE_PRIVATE = 0o600;

export const LINKED_SERVICES = ['identity', 'volumes'] as const;
export type LinkedService = (typeof LINKED_SERVICES)[number];

export interface Link {
  readonly version: number;
  readonly host: string;
  readonly port: number;
  /** Of the data directory that the service belongs to. */
  readonly clusterId: string;
  /** Hex. */
  readonly secret: string;
}

export interface LinkListenOptions {
  /** HOST:PORT. Port 0 takes a free one, and the same again later: copies of the link stay true. */
  readonly address: string;
  readonly directory: string;
  readonly cluster: Pick<ClusterIdentity, 'clusterId' | 'clusterSecret'>;
  readonly handlers: Handlers;
  readonly log: RpcLog;
  /** More that the file tells. */
  readonly about: Readonly<Record<string, string>>;
}

export const linkFile = (directory: string, service: LinkedService): string =>
  path.join(directory, `${service}-link.json`);

/** Fault BadConfig for what is no address; throws the system's error when it cannot be had. */
export async function listenForLinks(service: LinkedService, options: LinkListenOptions): Promise<RpcListener> {
  const { directory, cluster, handlers, log, about } = options;
  const file = linkFile(directory, service);
  const asked = parseAddress(service, options.address);
  const endpoint = asked.port === 0 ? { ...asked, port: portBefore(file) } : asked;
  const secret = secretOf(service, cluster);
  const listener = await listenRpc(handlers, {
    ...{ endpoint, name: service, secret, clusterId: cluster.clusterId },
    ...{ clock: systemClock, random: systemRandom, log },
  });
  const { port } = listener.endpoint as { port: number };
  const link: Link = {
    ...{ version: VERSION, host: asked.host, port, clusterId: cluster.clusterId },
    ...{ secret: secret.toString('hex'), ...about },
  };
  await systemDisk.replaceFile(file, Buffer.from(`${JSON.stringify(link, null, 2)}\n`), MODE_PRIVATE);
  return listener;
}

/** `key` is the configuration's, `about` what else the file must tell. Fault BadConfig for a file that is no link. */
export function readLink<K extends string>(key: string, file: string, about: readonly K[]): Link & Record<K, string> {
  const bad = (why: string): Fault => new Fault('BadConfig', { file }, `${key}: ${file} ${why}`);
  const link = parse(file);
  if (link === undefined) throw bad('cannot be read');
  if (link.version !== VERSION) throw bad(`has version ${link.version}, which is not known`);
  if ([...FIELDS, ...about].some((name) => !(link as Readonly<Record<string, unknown>>)[name]))
    throw bad('is not complete');
  return link as Link & Record<K, string>;
}

/** Connects in the background, again and again. */
export function connectLink(
  service: LinkedService,
  { host, port, clusterId, secret }: Link,
  { caller, log }: { readonly caller: string; readonly log?: RpcLog },
): SocketPeer {
  return connectPeer({
    ...{ endpoint: { host, port }, secret: Buffer.from(secret, 'hex'), clusterId },
    ...{ clock: systemClock, random: systemRandom, peerName: service, name: caller },
    ...(log && { log }),
  });
}

const FIELDS = ['host', 'port', 'clusterId', 'secret'] as const;

function parse(file: string): Partial<Link> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Link>;
  } catch {
    return undefined;
  }
}

const portBefore = (file: string): number => parse(file)?.port ?? 0;

function secretOf(service: LinkedService, { clusterSecret }: Pick<ClusterIdentity, 'clusterSecret'>): Buffer {
  return createHmac('sha256', Buffer.from(clusterSecret, 'hex')).update(`${service} link`).digest();
}

function parseAddress(service: LinkedService, address: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host !== '' && Number(port) < 65_536) return { host, port: Number(port) };
  throw new Fault('BadConfig', { address }, `${service}-listen: ${address} is not HOST:PORT`);
}
