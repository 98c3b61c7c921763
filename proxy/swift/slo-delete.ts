/**
 * `DELETE ?multipart-manifest=delete`: removes the segments of a static large object, nested manifests included, then the
 * manifest. Always answers 200; what happened is in the report. The manifest stays when a segment could not be removed,
 * so that the request can be repeated.
 */
import { isFault } from '../../fabric/errors.ts';
import { type ObjectRef, storeFaults } from '../object/contract.ts';
import { SLO_DEPTH_MAX } from '../object/slo.ts';
import type { SwiftCall } from './call.ts';
import { statusLine, statusOf } from './errors.ts';
import { refuse, swiftFaults } from './faults.ts';
import { renderReport } from './report.ts';
import type { SwiftResponse } from './response.ts';
import { MANIFEST_SEGMENTS_MAX } from './slo-manifest.ts';

const OBJECTS_MAX = MANIFEST_SEGMENTS_MAX * 10;
const DELETES_AT_ONCE = 8;

interface Tally {
  deleted: number;
  notFound: number;
  readonly errors: [string, string][];
  /** Of the whole, when it could not even begin. */
  status: number;
}

export async function deleteWithSegments(call: SwiftCall): Promise<SwiftResponse> {
  const tally: Tally = { deleted: 0, notFound: 0, errors: [], status: 200 };
  const manifests = await gather(call, tally);
  if (manifests) await deleteAll(call, manifests, tally);
  const worst = tally.errors.length > 0 && tally.status === 200 ? 400 : tally.status;
  const status = worst === 200 && tally.deleted === 0 && tally.notFound > 0 ? 404 : worst;
  const { contentType, body } = renderReport(call, {
    root: 'delete',
    fields: [
      ['Number Deleted', tally.deleted],
      ['Number Not Found', tally.notFound],
      ['Response Status', statusLine(status)],
      ['Response Body', ''],
    ],
    errors: tally.errors,
  });
  return { status: 200, headers: ['Content-Type', contentType], body };
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
    const { slo } = await call.world.store.headObject(call, ref);
    if (slo) return slo;
    tally.errors.push([pathOf(ref), '400 Bad Request: not an SLO manifest']);
  } catch (error) {
    note(call, { ref, error }, tally);
  }
  return undefined;
}

async function deleteAll(call: SwiftCall, doomed: Doomed, tally: Tally): Promise<void> {
  const refs = [...doomed.segments.values()];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let ref = refs[next++]; ref !== undefined; ref = refs[next++]) await deleteOne(call, ref, tally);
  };
  await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, refs.length) }, work));
  for (const ref of doomed.manifests) {
    if (tally.errors.length > 0) return;
    await deleteOne(call, ref, tally);
  }
}

async function deleteOne(call: SwiftCall, ref: ObjectRef, tally: Tally): Promise<void> {
  try {
    const { existed } = await call.world.store.deleteObject(call, ref);
    if (existed) tally.deleted++;
    else tally.notFound++;
  } catch (error) {
    note(call, { ref, error }, tally);
  }
}

function note(call: SwiftCall, failure: { ref: ObjectRef; error: unknown }, tally: Tally): void {
  const { ref, error } = failure;
  if (isFault(error, storeFaults.noSuchObject) || isFault(error, storeFaults.noSuchContainer)) {
    tally.notFound++;
    return;
  }
  const status = statusOf(error, call);
  if (!isFault(error)) throw error;
  tally.errors.push([pathOf(ref), statusLine(status)]);
  if (status === 401 || status === 403 || status >= 500) tally.status = status >= 500 ? 502 : status;
}

function pathOf(ref: ObjectRef): string {
  return `/${ref.container}/${ref.object}`;
}
