/** A volume at one moment, as a source for uploads: read over NBD from its daemon, or nothing but zeros. */
import type { Clock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Endpoint, StreamNet } from '../../fabric/net.ts';
import { connectNbd } from '../nbd/client.ts';
import { allocationFlags, DIRTY_FLAG, type NbdClient, nbdContexts } from '../nbd/contract.ts';
import type { AllocatedExtent, Extent, SnapshotSource } from '../repository/contract.ts';
import { volumeFaults } from './contract.ts';

/** The daemon's own reads overlap better with several. */
const CONNECTIONS = 2;

export interface Moment {
  readonly source: SnapshotSource;
  /** After the last read: fails when what was read may be torn. */
  verify(): Promise<void>;
  /** What changed since the engine's base; undefined: not known. */
  changed(): Promise<Extent[] | undefined>;
  close(): Promise<void>;
}

/** A volume nobody has written to. */
export const emptyMoment: Moment = {
  source: {
    read: async (_offset, length) => Buffer.alloc(length),
    allocated: async (offset, length) => [{ offset, length, data: false }],
  },
  verify: async () => {},
  changed: async () => undefined,
  close: async () => {},
};

export async function openMoment(
  world: { readonly net: StreamNet; readonly clock: Clock },
  {
    exportUri,
    dirtyContext,
    verify,
  }: {
    readonly exportUri: string;
    readonly dirtyContext: string | undefined;
    readonly verify: () => Promise<void>;
  },
): Promise<Moment> {
  const contexts = [nbdContexts.allocation, ...(dirtyContext === undefined ? [] : [dirtyContext])];
  const client = await connectNbd({ ...world, ...parseUnixUri(exportUri), contexts, connections: CONNECTIONS });
  return {
    source: {
      read: (offset, length) => client.read(offset, length),
      allocated: (offset, length) => allocated(client, offset, length),
    },
    verify,
    changed: async () => (dirtyContext === undefined ? undefined : changed(client, dirtyContext)),
    close: () => client.close(),
  };
}

async function allocated(client: NbdClient, offset: number, length: number): Promise<AllocatedExtent[]> {
  const found: AllocatedExtent[] = [];
  for await (const extent of client.extents(nbdContexts.allocation, { offset, length })) {
    found.push({ offset: extent.offset, length: extent.length, data: (extent.flags & allocationFlags.zero) === 0 });
  }
  return found;
}

async function changed(client: NbdClient, context: string): Promise<Extent[]> {
  const found: Extent[] = [];
  for await (const { offset, length, flags } of client.extents(context)) {
    if ((flags & DIRTY_FLAG) !== 0) found.push({ offset, length });
  }
  return found;
}

/** nbd+unix:///NAME?socket=PATH */
export function parseUnixUri(uri: string): { endpoint: Endpoint; exportName: string } {
  const url = new URL(uri);
  const path = url.searchParams.get('socket');
  if (url.protocol !== 'nbd+unix:' || path === null) {
    throw new Fault(volumeFaults.badRequest, { uri }, `${uri} is not a URI of a unix socket`);
  }
  return { endpoint: { path }, exportName: decodeURIComponent(url.pathname.slice(1)) };
}
