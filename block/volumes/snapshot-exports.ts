/**
 * Snapshots served straight from the object store over NBD: to volumes that are filled from them, and to whoever wants to
 * look inside one. One server on one unix socket; each export keeps its snapshot registered, so that nothing is taken from
 * under it. The same names answer again after a restart: clients reconnect and go on.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { StreamNet } from '../../fabric/net.ts';
import { type NbdDevice, nbdUri } from '../nbd/contract.ts';
import { type NbdServer, startNbdServer } from '../nbd/server.ts';
import type { ChunkSource, OpenSnapshot, Repository } from '../repository/contract.ts';
import type { SnapshotPlace } from './contract.ts';

export interface ExportsWorld {
  readonly repository: Repository;
  readonly net: StreamNet;
  readonly clock: Clock;
  /** Of the unix socket. */
  readonly socket: string;
  /** Read-ahead and the local cache are its business. */
  readonly deviceOf: (source: ChunkSource) => NbdDevice | Promise<NbdDevice>;
  readonly report: (error: unknown) => void;
}

interface Exported {
  readonly place: SnapshotPlace;
  readonly sizeBytes: number;
  opened: Promise<OpenSnapshot> | undefined;
}

export class SnapshotExports {
  readonly #world: ExportsWorld;
  readonly #exports = new Map<string, Exported>();
  #server: NbdServer | undefined;

  constructor(world: ExportsWorld) {
    this.#world = world;
  }

  async start(): Promise<void> {
    const { net, clock, socket, report } = this.#world;
    const exports = { names: () => [...this.#exports.keys()], open: (name: string) => this.#device(name) };
    this.#server = await startNbdServer({ net, clock, endpoint: { path: socket }, exports, report });
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    for (const name of [...this.#exports.keys()]) await this.remove(name);
  }

  get endpoint(): { readonly path: string } {
    return { path: this.#world.socket };
  }

  uri(name: string): string {
    return nbdUri(this.endpoint, name);
  }

  has(name: string): boolean {
    return this.#exports.has(name);
  }

  /** `sizeBytes` beyond the snapshot's own read as zeros. Fails when the snapshot cannot be opened now. */
  async add(name: string, place: SnapshotPlace, sizeBytes: number): Promise<void> {
    const exported = this.addLater(name, place, sizeBytes);
    try {
      await this.#open(exported);
    } catch (error) {
      this.#exports.delete(name);
      throw error;
    }
  }

  /** As `add`, but opened when the first client comes: after a restart the object store may come up later than we. */
  addLater(name: string, place: SnapshotPlace, sizeBytes: number): Exported {
    const known = this.#exports.get(name);
    if (known) return known;
    const exported: Exported = { place, sizeBytes, opened: undefined };
    this.#exports.set(name, exported);
    return exported;
  }

  async remove(name: string): Promise<void> {
    const exported = this.#exports.get(name);
    this.#exports.delete(name);
    try {
      await (await exported?.opened)?.close();
    } catch (error) {
      this.#world.report(error);
    }
  }

  async #device(name: string): Promise<NbdDevice | undefined> {
    const exported = this.#exports.get(name);
    if (!exported) return undefined;
    const snapshot = await this.#open(exported);
    return this.#world.deviceOf(enlarged(snapshot.chunks(), exported.sizeBytes));
  }

  async #open(exported: Exported): Promise<OpenSnapshot> {
    exported.opened ??= this.#world.repository.open(exported.place);
    try {
      return await exported.opened;
    } catch (error) {
      // The next client tries anew.
      exported.opened = undefined;
      throw error;
    }
  }
}

/** The same bytes, and zeros up to `sizeBytes`. */
export function enlarged(source: ChunkSource, sizeBytes: number): ChunkSource {
  if (sizeBytes <= source.sizeBytes) return source;
  const { chunkBytes } = source;
  const last = source.chunkCount - 1;
  return {
    ...{ sizeBytes, chunkBytes, chunkCount: Math.ceil(sizeBytes / chunkBytes) },
    async readChunk(index) {
      if (index > last) return undefined;
      const chunk = await source.readChunk(index);
      const length = Math.min(chunkBytes, sizeBytes - index * chunkBytes);
      if (!chunk || chunk.length === length) return chunk;
      const padded = Buffer.alloc(length);
      padded.set(chunk);
      return padded;
    },
    // A chunk that is longer here than there must not be known by the other's name.
    async chunkName(index) {
      if (index > last) return undefined;
      const name = await source.chunkName(index);
      return name !== undefined && index === last ? `${name}-${sizeBytes}` : name;
    },
    async map(offset, length) {
      const inside = Math.max(0, Math.min(length, source.sizeBytes - offset));
      const extents = inside > 0 ? [...(await source.map(offset, inside))] : [];
      if (inside < length) extents.push({ offset: offset + inside, length: length - inside, data: false });
      return extents;
    },
  };
}
