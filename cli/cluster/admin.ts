/**
 * What a running cluster tells its operator: calls on DIR/run/admin.sock, open to whoever knows the cluster secret. It asks
 * the zones anew each time and keeps nothing.
 */
import path from 'node:path';
import { systemClock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer, type SocketPeer } from '../../fabric/rpc/client.ts';
import type { Handlers, Peer, RpcLog } from '../../fabric/rpc/contract.ts';
import { listenRpc, type RpcListener } from '../../fabric/rpc/server.ts';
import type { DeviceStatus, ObjectServiceCalls } from '../../object-server/contract.ts';
import type { RingData } from '../../ring/contract.ts';
import type { ClusterIdentity } from './identity.ts';

const ADMIN_NAME = 'admin';
const STATUS_MS = 3_000;

export interface DeviceReport {
  readonly device: number;
  /** `r1z3`, as the zones are named. */
  readonly zone: string;
  /** Directory of the device. */
  readonly name: string;
  /** Its own words; absent when it does not answer. */
  readonly status?: DeviceStatus;
  /** Why it does not answer. */
  readonly fault?: string;
}

export interface AdminCalls {
  status: { args: Record<string, never>; reply: { devices: readonly DeviceReport[] } };
}

export interface AdminOptions {
  readonly directory: string;
  readonly identity: Pick<ClusterIdentity, 'clusterId' | 'clusterSecret'>;
  readonly log?: RpcLog;
}

const identityOf = ({ directory, identity }: AdminOptions) => ({
  endpoint: { path: path.join(directory, 'run', 'admin.sock') },
  secret: Buffer.from(identity.clusterSecret, 'hex'),
  clusterId: identity.clusterId,
  clock: systemClock,
  random: systemRandom,
});

/** DIR/run must be there. */
export function listenAdmin(
  options: AdminOptions,
  ring: RingData,
  peers: ReadonlyMap<number, Peer>,
): Promise<RpcListener> {
  const handlers = {
    async status() {
      const devices = ring.devices.filter((device) => device !== null);
      const reports = devices.map(async ({ id, region, zone, device: name }): Promise<DeviceReport> => {
        const where = { device: id, zone: `r${region}z${zone}`, name };
        return { ...where, ...(await askDevice(id, peers.get(id))) };
      });
      return { value: { devices: await Promise.all(reports) } satisfies AdminCalls['status']['reply'] };
    },
  } satisfies Handlers;
  return listenRpc(handlers, { ...identityOf(options), name: ADMIN_NAME, ...(options.log && { log: options.log }) });
}

async function askDevice(device: number, peer: Peer | undefined): Promise<Pick<DeviceReport, 'status' | 'fault'>> {
  if (!peer?.up) return { fault: 'its zone is down' };
  try {
    const { value } = await peer.call('status', { device }, { deadlineMs: STATUS_MS });
    const status = (value as ObjectServiceCalls['status']['reply']).devices[0];
    return status ? { status } : { fault: 'its zone does not know it' };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { fault: `${error.code}: ${error.message}` };
  }
}

/** Close it after use. */
export function connectAdmin(options: AdminOptions): SocketPeer {
  return connectPeer({ ...identityOf(options), peerName: ADMIN_NAME, name: 'operator' });
}
