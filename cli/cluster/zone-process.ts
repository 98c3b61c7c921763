/**
 * A zone in a process of its own: opens the devices it is told of, answers calls on a unix socket, calls the other zones for
 * its daemons, ends when its parent does. Started by boot.ts with one JSON argument; says "ready" over the IPC channel.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { systemClock } from '../../fabric/clock.ts';
import { createLogger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { connectPeer } from '../../fabric/rpc/client.ts';
import type { Peer, RpcLog } from '../../fabric/rpc/contract.ts';
import { listenRpc } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { createRing } from '../../ring/ring.ts';
import { decodeRing } from '../../ring/ring-file-format.ts';
import { traceFor, traceHandlers } from './traced-calls.ts';
import { openZone } from './zone.ts';

export interface ZoneSibling {
  readonly name: string;
  readonly socketPath: string;
  readonly devices: readonly number[];
}

export interface ZoneProcessOptions {
  readonly name: string;
  readonly directory: string;
  readonly clusterId: string;
  readonly clusterSecret: string;
  readonly devices: readonly { readonly id: number; readonly name: string }[];
  readonly socketPath: string;
  /** The ring's file, as the parent read it. */
  readonly ringFile: string;
  /** The other zones. */
  readonly siblings: readonly ZoneSibling[];
  readonly logLevel: string;
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '') as ZoneProcessOptions;
  const trace = traceFor(options.logLevel);
  const log = createLogger({ level: options.logLevel, base: { zone: options.name }, sync: true, trace });
  const zone = await openZone({
    directory: options.directory,
    clusterId: options.clusterId,
    devices: options.devices,
    disk: systemDisk,
    clock: systemClock,
    random: systemRandom,
    log,
    progress: (device, doneBytes, totalBytes) => process.send?.({ progress: { device, doneBytes, totalBytes } }),
  });
  const handlers = trace ? traceHandlers(zone.handlers, { log, trace, clock: systemClock }) : zone.handlers;
  const listener = await listenRpc(handlers, {
    endpoint: { path: options.socketPath },
    secret: Buffer.from(options.clusterSecret, 'hex'),
    clusterId: options.clusterId,
    name: options.name,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const siblings = connectSiblings(options, log);
  const ring = createRing(decodeRing(readFileSync(options.ringFile)));
  zone.startDaemons(ring, new Map(siblings.flatMap(({ peer, devices }) => devices.map((id) => [id, peer] as const))));
  process.send?.({ ready: true });
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await zone.stopDaemons();
    await listener.close();
    await Promise.all(siblings.map(({ peer }) => peer.close()));
    await zone.close();
    process.exit(0);
  };
  process.on('message', (message: { stop?: boolean }) => void (message.stop && stop()));
  process.on('disconnect', () => void stop());
  // A Ctrl-C reaches the whole group; the parent says when it is time.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => void stop());
}

function connectSiblings(options: ZoneProcessOptions, log: RpcLog): { peer: Peer; devices: readonly number[] }[] {
  return options.siblings.map(({ name, socketPath, devices }) => {
    const peer = connectPeer({
      endpoint: { path: socketPath },
      peerName: name,
      name: options.name,
      secret: Buffer.from(options.clusterSecret, 'hex'),
      clusterId: options.clusterId,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    return { peer, devices };
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`needletail: zone: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
