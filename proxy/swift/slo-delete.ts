/**
 * `DELETE ?multipart-manifest=delete`: removes the segments of a static large object, nested manifests included, then the
 * manifest. Always answers 200; what happened is in the report. The manifest stays when a segment could not be removed,
 * so that the request can be repeated.
 */
import type { ObjectRef } from '../object/contract.ts';
import { SLO_DEPTH_MAX } from '../object/slo.ts';
import type { SwiftCall } from './call.ts';
import { deleteEach, newTally, noteFailure, pathOf, type Tally, tallyResponse } from './delete-many.ts';
import { refuse, swiftFaults } from './faults.ts';
import type { SwiftResponse } from './response.ts';
import { isShownAsLarge } from './shown.ts';
import { MANIFEST_SEGMENTS_MAX } from './slo-manifest.ts';

const OBJECTS_MAX = MANIFEST_SEGMENTS_MAX * 10;

export async function deleteWithSegments(call: SwiftCall): Promise<SwiftResponse> {
  const tally = newTally();
  const doomed = await gather(call, tally);
  if (doomed) {
    await deleteEach(call, [...doomed.segments.values()], tally);
    for (const manifest of doomed.manifests) {
      if (tally.errors.length === 0) await deleteEach(call, [manifest], tally);
    }
  }
  return tallyResponse(call, tally);
}

interface Doomed {
  readonly segments: ReadonlyMap<string, ObjectRef>;
  /** Outermost last, so that a repeated request still finds its way. */
  readonly manifests: readonly ObjectRef[];
}

/** All that is to go; undefined when the object is no manifest or gone, which the tally then says. */
async function gather(call: SwiftCall, tally: Tally): Promise<Doomed | undefined> {
  const segments = new Map<string, ObjectRef>();
  const manifests: ObjectRef[] = [];
  let level: ObjectRef[] = [call.objectRef];
  for (let depth = 0; level.length > 0 && depth <= SLO_DEPTH_MAX; depth++) {
    const below: ObjectRef[] = [];
    for (const ref of level) {
      const slo = await readManifest(call, ref, tally);
      if (!slo && depth === 0) return undefined;
      if (!slo) continue;
      manifests.unshift(ref);
      for (const segment of slo) {
        if (segment.data !== undefined) continue;
        const slash = segment.path.indexOf('/', 1);
        const { account } = ref;
        const child = { account, container: segment.path.slice(1, slash), object: segment.path.slice(slash + 1) };
        if (segment.subSlo) below.push(child);
        else segments.set(segment.path, child);
      }
      if (segments.size + below.length > OBJECTS_MAX) {
        throw refuse(swiftFaults.badRequest, 'Too many buffered slo segments to delete.');
      }
    }
    level = below;
  }
  return { segments, manifests };
}

async function readManifest(call: SwiftCall, ref: ObjectRef, tally: Tally) {
  try {
    const info = await call.world.store.headObject(call, ref);
    if (isShownAsLarge(info)) return info.slo ?? [];
    tally.errors.push([pathOf(ref), 'Not an SLO manifest']);
  } catch (error) {
    noteFailure(call, { ref, error }, tally);
  }
  return undefined;
}
