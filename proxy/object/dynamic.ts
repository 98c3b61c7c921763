/**
 * Dynamic large objects: an object with an X-Object-Manifest header stands for everything that a container lists under a
 * prefix, in name order, at the time of the request. Made through Swift, read through both APIs. Knows no API's words.
 */
import { createHash } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import {
  type Context,
  type ObjectInfo,
  type OpenObject,
  type SloSegment,
  type Store,
  storeFaults,
} from './contract.ts';
import { openSlo, sloSize } from './slo.ts';

export const MANIFEST_HEADER = 'x-object-manifest';
const PAGE = 10_000;
export const DLO_SEGMENTS_MAX = 100_000;

export interface DynamicSource {
  readonly store: Store;
  readonly context: Context;
  /** Of the manifest, and so of its segments. */
  readonly account: string;
}

export interface DynamicObject extends OpenObject {
  readonly segmentCount: number;
}

/** The prefix that a dynamic large object gathers, or undefined for any other object. */
export function manifestOf(info: ObjectInfo): { container: string; prefix: string } | undefined {
  const value = info.headers[MANIFEST_HEADER];
  if (value === undefined) return undefined;
  const name = decode(value);
  const start = name.startsWith('/') ? 1 : 0;
  const slash = name.indexOf('/', start);
  return slash < 0 ? undefined : { container: name.slice(start, slash), prefix: name.slice(slash + 1) };
}

/** The object that `manifest` stands for: size and bytes; its ETag is the MD5 of the segments' ETags. Fault BrokenManifest. */
export async function openDynamic(source: DynamicSource, manifest: ObjectInfo): Promise<DynamicObject> {
  const { store, context, account } = source;
  const segments = await listSegments(source, manifest);
  const etags = createHash('md5');
  for (const { etag } of segments) etags.update(etag);
  const info: ObjectInfo = { ...manifest, sizeBytes: sloSize(segments), etag: etags.digest('hex'), checksums: {} };
  const read = (path: string): Promise<OpenObject> => {
    const slash = path.indexOf('/', 1);
    return store.getObject(context, { account, container: path.slice(1, slash), object: path.slice(slash + 1) });
  };
  const open = (offset: number, length: number) => openSlo({ read, segments }, offset, length);
  return { info, segmentCount: segments.length, open };
}

/** Attributes without the header that makes an object a dynamic large one. */
export function withoutManifest(headers: ObjectInfo['headers']): Record<string, string> {
  const rest = { ...headers };
  delete rest[MANIFEST_HEADER];
  return rest;
}

async function listSegments(source: DynamicSource, manifest: ObjectInfo): Promise<SloSegment[]> {
  const target = manifestOf(manifest);
  if (!target) throw new Fault(storeFaults.brokenManifest);
  const { container, prefix } = target;
  const ref = { account: source.account, container };
  const segments: SloSegment[] = [];
  let marker: string | undefined;
  while (segments.length < DLO_SEGMENTS_MAX) {
    const page = await source.store.listObjects(source.context, ref, { prefix, marker, limit: PAGE });
    for (const entry of page.entries) {
      if ('prefix' in entry) continue;
      segments.push({ path: `/${container}/${entry.name}`, etag: entry.etag, sizeBytes: entry.sizeBytes });
      marker = entry.name;
    }
    if (!page.truncated) return segments;
  }
  throw new Fault(storeFaults.brokenManifest, {}, `more than ${DLO_SEGMENTS_MAX} segments`);
}

/** Percent escapes and UTF-8 of a header value as it was sent. */
function decode(value: string): string {
  const bytes = value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
