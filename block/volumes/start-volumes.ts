/** Puts a host's volumes together: engine, repository, exports, manager, collector; and takes them apart again. */
import path from 'node:path';
import type { Clock } from '../../fabric/clock.ts';
import type { Disk } from '../../fabric/disk.ts';
import type { StreamNet } from '../../fabric/net.ts';
import type { Random } from '../../fabric/random.ts';
import type { Handlers } from '../../fabric/rpc/contract.ts';
import type { VolumeEngine } from '../engine/contract.ts';
import { createQsdEngine } from '../engine/qsd-engine.ts';
import type { Files } from '../host/files.ts';
import type { Processes } from '../host/processes.ts';
import { type ChunkCache, openChunkCache } from '../nbd/chunk-cache.ts';
import { ChunkDevice } from '../nbd/chunk-device.ts';
import type { ObjectClient } from '../repository/contract.ts';
import { openRepository } from '../repository/open-repository.ts';
import { createThreadSealer, type Sealer } from '../repository/sealer.ts';
import { Garbage } from './garbage.ts';
import { Imports } from './imports.ts';
import { lateRepository } from './late-repository.ts';
import { VolumeManager } from './manager.ts';
import { createVolumeService } from './service.ts';
import { SnapshotExports } from './snapshot-exports.ts';
import { VolumeTable } from './volume-table.ts';

export interface VolumesWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly net: StreamNet;
  readonly files: Files;
  readonly processes: Processes;
  readonly log: { warn(details: object, message: string): void; error(details: object, message: string): void };
}

export interface VolumesOptions {
  /** This host's stable id. */
  readonly host: string;
  /** Where volumes lie. */
  readonly directory: string;
  /** A short path, for sockets; see RUNTIME_DIR_BYTES_MAX of the engine. */
  readonly runtimeDir: string;
  /** The qemu-storage-daemon to run. */
  readonly command: string;
  /** Where TCP attachments listen. */
  readonly fronts: { readonly host: string; readonly firstPort: number; readonly lastPort: number };
  /** The container of snapshots, made where it is missing; called when it is first needed, and again after a failure. */
  readonly openStore: () => Promise<ObjectClient>;
  /** Any other container that we may read, for backups to import. */
  readonly openContainer: (container: string, account?: string) => ObjectClient;
  /** Why volumes cannot be served here. */
  readonly unfit: () => string | undefined;
  readonly threads?: number;
  /** What hashes and packs; threads of its own where absent. */
  readonly sealer?: Sealer;
  /** What reservations for snapshots leave to the volumes. */
  readonly headroomBytes?: number;
}

export interface RunningVolumes {
  readonly manager: VolumeManager;
  readonly garbage: Garbage;
  readonly engine: VolumeEngine;
  readonly service: Handlers;
  /** Volumes go on being served. */
  stop(): Promise<void>;
}

/** Threads that hash and pack chunks; they start when first needed. */
const SEAL_THREADS = 2;
/** Of the chunks that instant restores and exports fetched. */
const CACHE_BYTES_MAX = 1024 * 1024 * 1024;
const HEADROOM_BYTES = 256 * 1024 * 1024;

export async function startVolumes(options: VolumesOptions, world: VolumesWorld): Promise<RunningVolumes> {
  const { host, directory, runtimeDir, command, fronts, openStore, openContainer, unfit } = options;
  const { headroomBytes = HEADROOM_BYTES } = options;
  const { clock, random, disk, net, files, processes, log } = world;
  const sealer = options.sealer ?? createThreadSealer(options.threads ?? SEAL_THREADS);
  const repository = lateRepository(async () =>
    openRepository({ client: await openStore(), clock, random, sealer, codec: 'lz4' }),
  );
  const table = new VolumeTable(disk, directory);
  const caches = openCaches(disk, path.join(directory, '.cache'));
  const exports = new SnapshotExports({
    ...{ repository, net, clock, socket: path.join(runtimeDir, 'snapshots.sock') },
    deviceOf: async (source) => new ChunkDevice({ source, cache: await caches.of(source.chunkBytes) }),
    report: (error) => log.warn({ err: error }, 'an export of a snapshot failed'),
  });
  const imports = new Imports({ repository, clock, openContainer, log });
  let manager: VolumeManager | undefined;
  const engine = await createQsdEngine({
    world: { net, clock, disk, processes, command, files, random, fronts, headroomBytes },
    runtimeDir,
    onEvent: (event) => manager?.engineEvent(event),
  });
  const garbage = new Garbage({ repository, clock, holder: host, log });
  manager = new VolumeManager({
    ...{ table, engine, repository, clock, net, log, host, files, exports, imports, unfit },
    space: () => disk.space(directory),
    deleted: () => garbage.nudge(),
  });
  await manager.start();
  garbage.start();
  const running = manager;
  return {
    manager,
    garbage,
    engine,
    service: createVolumeService(manager),
    async stop() {
      await garbage.stop();
      await running.stop();
      await caches.close();
      await sealer.close();
    },
  };
}

/** A cache of chunks for each of their sizes, opened when the first such snapshot is served. */
function openCaches(disk: Disk, directory: string) {
  const caches = new Map<number, Promise<ChunkCache>>();
  return {
    of(chunkBytes: number): Promise<ChunkCache> {
      const opened =
        caches.get(chunkBytes) ?? openChunkCache({ disk, directory, bytesMax: CACHE_BYTES_MAX, chunkBytes });
      caches.set(chunkBytes, opened);
      return opened;
    },
    async close(): Promise<void> {
      for (const cache of caches.values()) await (await cache).close();
    },
  };
}
