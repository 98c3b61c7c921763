/** The volumes of this host: where they lie, who stores their snapshots. Without the storage daemon all else works. */
import { createHash } from 'node:crypto';
import { rmdirSync } from 'node:fs';
import path from 'node:path';
import { systemFiles } from '../../block/host/files.ts';
import { systemProcesses } from '../../block/host/processes.ts';
import { SwiftObjectClient } from '../../block/repository/object-client-swift.ts';
import type { SwiftAccess } from '../../block/repository/swift-login.ts';
import { type RunningVolumes, startVolumes } from '../../block/volumes/start-volumes.ts';
import { systemClock } from '../../fabric/clock.ts';
import { isInPath, runtimeBase } from '../../fabric/config-host.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemNet } from '../../fabric/net.ts';
import { createHttpClient } from '../../fabric/net-http.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import type { Credentials } from './credentials.ts';
import { hostId } from './host-id.ts';
import { containerOf, trustedCa, type VolumeStoreOptions, volumeLogin } from './volume-store.ts';

export { CONTAINER } from './volume-store.ts';

const COMMAND = 'qemu-storage-daemon';
const PACKAGES = 'qemu-system-common';
/** Of TLS fronts for attachments over TCP. */
const PORTS = { firstPort: 10_809, lastPort: 11_832 } as const;

export interface HostVolumesOptions {
  readonly directory: string;
  /** As whom snapshots are stored in the store of this process, if it has one. */
  readonly storage: Credentials | undefined;
  /** Where instead, if the configuration says so. */
  readonly store: VolumeStoreOptions;
  /** Address that attachments over TCP listen on. */
  readonly address: string;
  /** PEM of our own certificate, when the store is served with TLS. */
  readonly ca?: string | undefined;
  readonly log: Logger;
}

export interface HostVolumes {
  /** Its id, the same for the life of the data directory. */
  readonly host: string;
  readonly volumes: RunningVolumes;
  stop(): Promise<void>;
}

export async function startHostVolumes(options: HostVolumesOptions): Promise<HostVolumes> {
  const { directory, storage, store, address, log } = options;
  const ca = trustedCa(options.ca, store);
  const http = createHttpClient(ca === undefined ? {} : { ca });
  const login = volumeLogin(http, storage, store);
  const openContainer = (container: string, account?: string): SwiftObjectClient =>
    new SwiftObjectClient({
      ...{ http, container, clock: systemClock, random: systemRandom },
      login: account === undefined ? login : async () => ofAccount(await login(), account),
    });
  const openStore = async (): Promise<SwiftObjectClient> => {
    const client = openContainer(containerOf(store));
    await client.createContainer();
    return client;
  };
  const host = await hostId(directory);
  const volumes = await startVolumes(
    {
      host,
      directory: path.join(directory, 'volumes'),
      runtimeDir: runtimeDirectory(directory),
      command: COMMAND,
      fronts: { host: address, ...PORTS },
      openStore,
      openContainer,
      unfit,
    },
    {
      ...{ clock: systemClock, random: systemRandom, disk: systemDisk, net: systemNet },
      ...{ files: systemFiles, processes: systemProcesses, log },
    },
  );
  return {
    ...{ host, volumes },
    async stop() {
      await volumes.stop();
      await http.close();
      leave(runtimeDirectory(directory));
    },
  };
}

/** The same token for another account, where its containers let us read. */
function ofAccount({ storageUrl, token }: SwiftAccess, account: string): SwiftAccess {
  return { storageUrl: storageUrl.replace(/[^/]+$/, encodeURIComponent(account)), token };
}

/** Nothing is left of a host without daemons. */
function leave(runtime: string): void {
  try {
    rmdirSync(runtime);
  } catch {
    // Daemons go on there.
  }
}

/** Paths of unix sockets are short, a data directory's may be long. */
export function runtimeDirectory(directory: string): string {
  return path.join(runtimeBase(), `needletail-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`);
}

function unfit(): string | undefined {
  if (isInPath(COMMAND)) return undefined;
  return `volumes need ${COMMAND}: apt-get install -y --no-install-recommends ${PACKAGES}`;
}
