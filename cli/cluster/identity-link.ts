/**
 * Several regions with one identity. The region that holds it listens for the others (`identity-listen`) and writes
 * DIR/identity-link.json; a region that is given that file (`identity-link`) has no identity of its own: it verifies tokens
 * and keys over the link, and announces its endpoints for the common catalog. A link's secret opens nothing else.
 */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { CatalogEntry } from '../../compute/identity/bootstrap.ts';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer, type SocketPeer } from '../../fabric/rpc/client.ts';
import type { Handlers } from '../../fabric/rpc/contract.ts';
import { listenRpc, type RpcListener } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { ClusterIdentity } from './identity.ts';

const VERSION = 1;
const NAME = 'identity';
const ANNOUNCE = 'identity.announce';
const ANNOUNCE_MS = 30_000;
const MODE_PRIVATE = 0o600;
export const LINK_FILE = 'identity-link.json';

export interface IdentityLink {
  readonly version: number;
  readonly host: string;
  readonly port: number;
  /** Of the region that holds identity. */
  readonly clusterId: string;
  /** Hex. */
  readonly secret: string;
  /** What clients of every region log in at. */
  readonly authUrl: string;
}

export interface Announcement {
  readonly endpoints: readonly CatalogEntry[];
}

/** `address` is HOST:PORT; port 0 takes a free one. Fault BadConfig. */
export async function listenForRegions(options: {
  readonly address: string;
  readonly cluster: Pick<ClusterIdentity, 'clusterId' | 'clusterSecret'>;
  readonly handlers: Handlers;
  readonly announced: (announcement: Announcement) => Promise<void>;
  readonly log: Logger;
}): Promise<RpcListener> {
  const { cluster, handlers, announced, log } = options;
  const announce = async (announcement: Announcement) => {
    await announced(announcement);
    return { value: {} };
  };
  return listenRpc(
    { ...handlers, [ANNOUNCE]: announce },
    {
      ...{
        endpoint: parseAddress(options.address),
        name: NAME,
        secret: secretOf(cluster),
        clusterId: cluster.clusterId,
      },
      ...{ clock: systemClock, random: systemRandom, log },
    },
  );
}

export async function writeLink(
  directory: string,
  cluster: Pick<ClusterIdentity, 'clusterId' | 'clusterSecret'>,
  { listener, authUrl }: { listener: RpcListener; authUrl: string },
): Promise<void> {
  if ('path' in listener.endpoint) return;
  const { host, port } = listener.endpoint;
  const secret = secretOf(cluster).toString('hex');
  const link: IdentityLink = { version: VERSION, host, port, clusterId: cluster.clusterId, secret, authUrl };
  const text = `${JSON.stringify(link, null, 2)}\n`;
  await systemDisk.replaceFile(path.join(directory, LINK_FILE), Buffer.from(text), MODE_PRIVATE);
}

/** Fault BadConfig for a file that is no link. */
export function readLink(file: string): IdentityLink {
  const bad = (why: string): Fault => new Fault('BadConfig', { file }, `identity-link: ${file} ${why}`);
  let parsed: Partial<IdentityLink>;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8')) as Partial<IdentityLink>;
  } catch {
    throw bad('cannot be read');
  }
  const { version, host, port, clusterId, secret, authUrl } = parsed;
  if (version !== VERSION) throw bad(`has version ${version}, which is not known`);
  if (!host || !port || !clusterId || !secret || !authUrl) throw bad('is not complete');
  return { version, host, port, clusterId, secret, authUrl };
}

/** Connects in the background, again and again. */
export function connectLink({ host, port, clusterId, secret }: IdentityLink, region: string): SocketPeer {
  return connectPeer({
    ...{ endpoint: { host, port }, secret: Buffer.from(secret, 'hex'), clusterId },
    ...{ clock: systemClock, random: systemRandom, peerName: NAME, name: `region ${region}` },
  });
}

export async function announce(peer: SocketPeer, announcement: Announcement): Promise<void> {
  await peer.whenUp(ANNOUNCE_MS);
  await peer.call(ANNOUNCE, announcement, { deadlineMs: ANNOUNCE_MS });
}

function secretOf({ clusterSecret }: Pick<ClusterIdentity, 'clusterSecret'>): Buffer {
  return createHmac('sha256', Buffer.from(clusterSecret, 'hex')).update('identity link').digest();
}

function parseAddress(address: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host !== '' && Number(port) < 65_536) return { host, port: Number(port) };
  throw new Fault('BadConfig', { address }, `identity-listen: ${address} is not HOST:PORT`);
}
