/**
 * Who may ask for the volumes of this host: its operator, over DIR/run/volumes.sock with the cluster's secret, and where it is
 * configured (`volumes-listen`) a Cinder on another machine, over a link.
 */
import { VOLUME_SERVICE } from '../../block/volumes/contract.ts';
import { systemClock } from '../../fabric/clock.ts';
import { systemRandom } from '../../fabric/random.ts';
import type { Handlers, RpcLog } from '../../fabric/rpc/contract.ts';
import { listenRpc, type RpcListener } from '../../fabric/rpc/server.ts';
import { volumeSocket } from '../volume/connect.ts';
import { hostId } from './host-id.ts';
import type { ClusterIdentity } from './identity.ts';
import { type Link, listenForLinks, readLink } from './link.ts';

/** `volumeHost` is what Cinder calls the host. */
export type VolumesLink = Link & Record<'volumeHost', string>;

export const readVolumesLink = (file: string): VolumesLink => readLink('volume-hosts', file, ['volumeHost']);

export interface VolumeCallsOptions {
  readonly directory: string;
  readonly cluster: ClusterIdentity;
  /** HOST:PORT. */
  readonly address: string | undefined;
  readonly log: RpcLog;
}

export async function listenForVolumeCalls(handlers: Handlers, options: VolumeCallsOptions): Promise<RpcListener[]> {
  const { directory, cluster, address, log } = options;
  const operator = await listenRpc(handlers, {
    ...{ endpoint: { path: volumeSocket(directory) }, name: VOLUME_SERVICE, log },
    ...{ secret: Buffer.from(cluster.clusterSecret, 'hex'), clusterId: cluster.clusterId },
    ...{ clock: systemClock, random: systemRandom },
  });
  if (address === undefined) return [operator];
  try {
    const about = { volumeHost: await hostId(directory) };
    const controllers = { address, directory, cluster, handlers, log, about };
    return [operator, await listenForLinks(VOLUME_SERVICE, controllers)];
  } catch (error) {
    await operator.close();
    throw error;
  }
}
