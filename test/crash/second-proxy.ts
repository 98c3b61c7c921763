/**
 * Another proxy of a running cluster whose zones are processes: the product's own store, reconciler and RPC client in this
 * process, connected to the zones' sockets as a second machine's would be, with a writer id of its own.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseIdentity } from '../../cli/cluster/identity.ts';
import { systemClock } from '../../fabric/clock.ts';
import { isFault } from '../../fabric/errors.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer } from '../../fabric/rpc/client.ts';
import type { Peer } from '../../fabric/rpc/contract.ts';
import { createStampSource } from '../../fabric/stamp.ts';
import { createCluster } from '../../proxy/cluster.ts';
import type { Store } from '../../proxy/object/contract.ts';
import { inlineDigests } from '../../proxy/object/digest.ts';
import { createReconciler } from '../../proxy/object/reconcile.ts';
import { createStore } from '../../proxy/object/store.ts';
import { createSettledMarks } from '../../proxy/settled.ts';
import { createPathHasher } from '../../ring/path-hash.ts';
import { createRing } from '../../ring/ring.ts';
import { decodeRing } from '../../ring/ring-file-format.ts';

/** Nobody else's: the shipped program counts from 1. */
const WRITER_ID = 3_000;
const UP_LIMIT_MS = 30_000;
const silent = { info() {}, warn() {}, error() {} };

export interface SecondProxy {
  readonly store: Store;
  close(): Promise<void>;
}

export async function openSecondProxy(directory: string): Promise<SecondProxy> {
  const file = path.join(directory, 'cluster.json');
  const { clusterId, clusterSecret, hashPrefix, hashSuffix } = parseIdentity(readFileSync(file, 'utf8'), file);
  const ringData = decodeRing(readFileSync(path.join(directory, 'ring.gz')));
  const connected = new Map<number, ReturnType<typeof connectPeer>>();
  for (const device of ringData.devices) {
    if (!device) continue;
    const peer = connectPeer({
      endpoint: { path: path.join(directory, 'run', `r${device.region}z${device.zone}.sock`) },
      peerName: `r${device.region}z${device.zone}`,
      name: 'second proxy',
      secret: Buffer.from(clusterSecret, 'hex'),
      clusterId,
      clock: systemClock,
      random: systemRandom,
      log: silent,
    });
    connected.set(device.id, peer);
  }
  await Promise.all([...connected.values()].map((peer) => peer.whenUp(UP_LIMIT_MS)));
  const peers: ReadonlyMap<number, Peer> = connected;
  const clock = systemClock;
  const stamps = createStampSource({ clock, writerId: WRITER_ID, floorTicks: 0, reserve: () => {} });
  const settled = createSettledMarks(stamps, clock);
  const hashPath = createPathHasher({ prefix: Buffer.from(hashPrefix), suffix: Buffer.from(hashSuffix) });
  const ring = createRing(ringData);
  const cluster = createCluster({ clock, random: systemRandom, stamps, settled, ring, peers, hashPath });
  settled.onQuiet((mark) => {
    for (const { device, peer } of cluster.devices) {
      const args = { device, mutations: [], writer: stamps.writerId, settled: mark };
      if (peer.up) void peer.call('apply', args).catch(ignoreFault);
    }
  });
  const onError = (_what: string, error: unknown): void => ignoreFault(error);
  const running = createStore({ cluster, digests: inlineDigests, random: systemRandom, onError });
  const reconciler = createReconciler(running.engine);
  reconciler.start();
  return {
    store: running.store,
    async close() {
      reconciler.stop();
      running.stop();
      await Promise.all([...connected.values()].map((peer) => peer.close()));
    },
  };
}

function ignoreFault(error: unknown): void {
  if (!isFault(error)) throw error;
}
