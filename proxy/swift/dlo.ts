/**
 * Dynamic large objects: an object whose X-Object-Manifest header names a container and a prefix stands for everything
 * found there, in name order, at the time of the request.
 */
import { createHash } from 'node:crypto';
import type { ObjectInfo, OpenObject, SloSegment } from '../object/contract.ts';
import { openSlo, sloSize } from '../object/slo.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import { manifestOf } from './object-headers.ts';

const PAGE = 10_000;
export const DLO_SEGMENTS_MAX = 100_000;

/** The object that `manifest` stands for: its size, ETag and bytes. */
export async function openDynamic(call: SwiftCall, account: string, manifest: ObjectInfo): Promise<OpenObject> {
  const segments = await listSegments(call, account, manifest);
  const etags = createHash('md5');
  for (const { etag } of segments) etags.update(etag);
  // Swift shows the ETag of what has no bytes of its own in quotes.
  const info: ObjectInfo = { ...manifest, sizeBytes: sloSize(segments), etag: `"${etags.digest('hex')}"` };
  const read = (path: string): Promise<OpenObject> => {
    const slash = path.indexOf('/', 1);
    const ref = { account, container: path.slice(1, slash), object: path.slice(slash + 1) };
    return call.world.store.getObject(call, ref);
  };
  return { info, open: (offset, length) => openSlo({ read, segments }, offset, length) };
}

async function listSegments(call: SwiftCall, account: string, manifest: ObjectInfo): Promise<SloSegment[]> {
  const target = manifestOf(manifest);
  if (!target) throw refuse(swiftFaults.conflict);
  const { container, prefix } = target;
  const ref = { account, container };
  const segments: SloSegment[] = [];
  let marker: string | undefined;
  while (segments.length < DLO_SEGMENTS_MAX) {
    const page = await call.world.store.listObjects(call, ref, { prefix, marker, limit: PAGE });
    for (const entry of page.entries) {
      if ('prefix' in entry) continue;
      segments.push({ path: `/${container}/${entry.name}`, etag: entry.etag, sizeBytes: entry.sizeBytes });
      marker = entry.name;
    }
    if (!page.truncated) return segments;
  }
  throw refuse(swiftFaults.conflict, `More than ${DLO_SEGMENTS_MAX} segments`);
}
