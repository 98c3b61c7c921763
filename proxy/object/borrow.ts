/** How a record refers to the bytes of another one: the blobs stay where they are and are pinned there (ADR 5). */
import { headKey, KIND_AT } from '../../object-server/contract.ts';
import type { ContainerState } from './containers.ts';
import type { ObjectRef } from './contract.ts';
import type { Engine } from './engine.ts';
import type { Found } from './get.ts';
import type { Extent, Pin } from './object-format.ts';
import { pinExtents } from './pins.ts';

/** The source's extents as the target may refer to them, pinned where they live elsewhere. */
export async function borrow(
  engine: Engine,
  container: ContainerState,
  target: ObjectRef,
  { found, extents }: { found: Pick<Found, 'register'>; extents: readonly Extent[] | undefined },
): Promise<{ extents?: readonly Extent[]; pins?: readonly Pin[] }> {
  if (!extents) return {};
  const { account, name } = container.record;
  const targetHome = engine.cluster.hash(account, name, target.object) + packIncarnation(container);
  const sourceHome = headKey(found.register.head).slice(1, KIND_AT);
  const moved = extents.map((extent) => {
    const home = extent.home ?? sourceHome;
    const { id, offset, length } = extent;
    return home === targetHome ? { id, offset, length } : { id, offset, length, home };
  });
  const pins = await pinExtents(engine, moved);
  return pins.length > 0 ? { extents: moved, pins } : { extents: moved };
}

const packIncarnation = (container: ContainerState): string => container.rowPrefix.slice(17, KIND_AT);
