/**
 * A zone in a process of its own: opens the devices it is told of, answers calls on a unix socket, ends when its parent
 * does. Started by boot.ts with one JSON argument; says "ready" over the IPC channel.
 */
import process from 'node:process';
import { systemClock } from '../../fabric/clock.ts';
import { createLogger } from '../../fabric/logger.ts';
import { systemRandom } from '../../fabric/random.ts';
import { listenRpc } from '../../fabric/rpc/server.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { openZone } from './zone.ts';

export interface ZoneProcessOptions {
  readonly name: string;
  readonly directory: string;
  readonly clusterId: string;
  readonly clusterSecret: string;
  readonly devices: readonly { readonly id: number; readonly name: string }[];
  readonly socketPath: string;
  readonly logLevel: string;
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '') as ZoneProcessOptions;
  const log = createLogger({ level: options.logLevel, base: { zone: options.name }, sync: true });
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
  const listener = await listenRpc(zone.handlers, {
    endpoint: { path: options.socketPath },
    secret: Buffer.from(options.clusterSecret, 'hex'),
    clusterId: options.clusterId,
    name: options.name,
    clock: systemClock,
    random: systemRandom,
    log,
  });
  process.send?.({ ready: true });
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await listener.close();
    await zone.close();
    process.exit(0);
  };
  process.on('message', (message: { stop?: boolean }) => void (message.stop && stop()));
  process.on('disconnect', () => void stop());
  // A Ctrl-C reaches the whole group; the parent says when it is time.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => void stop());
}

main().catch((error: unknown) => {
  process.stderr.write(
    `needletail: zone: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
});
