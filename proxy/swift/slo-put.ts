/**
 * `PUT ?multipart-manifest=put`: makes a static large object of segments that are there already. Every segment is looked
 * at first, and whatever is wrong with any of them is reported at once.
 */
import { createHash } from 'node:crypto';
import { Fault, isFault } from '../../fabric/errors.ts';
import { parseRange } from '../http-range.ts';
import { type ObjectInfo, type SloSegment, storeFaults } from '../object/contract.ts';
import { withoutManifest } from '../object/dynamic.ts';
import { LINK_HEADER } from '../object/links.ts';
import { sloSize } from '../object/slo.ts';
import { emptyBody } from './body-source.ts';
import type { SwiftCall } from './call.ts';
import { readPutConditions } from './conditions.ts';
import { errorResponse, explain, statusLine, statusOf } from './errors.ts';
import { refuse, swiftFaults } from './faults.ts';
import { checkNewName } from './names.ts';
import { readNewAttributes } from './object-headers.ts';
import { createdResponse, readBody, readExpectedMd5 } from './object-put.ts';
import { type Report, renderReport } from './report.ts';
import type { SwiftResponse } from './response.ts';
import { MANIFEST_BYTES_MAX, parseManifest, type WantedSegment } from './slo-manifest.ts';
import { findObject } from './symlink.ts';
import { isTrue } from './true-value.ts';

/** Segments looked at at the same time. */
const HEADS_AT_ONCE = 16;

/** With `heartbeat=on` the status comes at the end of a body, for clients that would not wait for the head. */
export async function putManifest(call: SwiftCall): Promise<SwiftResponse> {
  if (!isTrue(call.params.get('heartbeat'))) return makeManifest(call);
  let errors: Report['errors'] = [];
  const answer = await makeManifest(call).catch((error: unknown): SwiftResponse => {
    const refused = isFault(error) ? errorResponse(error, call) : undefined;
    if (refused === undefined || refused.status >= 499) throw error;
    errors = ((error as Fault).details['segments'] as typeof errors | undefined) ?? [];
    if (errors.length > 0) return { ...refused, body: explain(refused.status) };
    return refused;
  });
  const headerOf = (name: string): string => answer.headers[answer.headers.indexOf(name) + 1] ?? '';
  const { contentType, body } = renderReport(call, {
    root: 'upload',
    fields: [
      ['Response Status', statusLine(answer.status)],
      ['Response Body', typeof answer.body === 'string' ? answer.body : ''],
      ...(answer.status === 201
        ? ([
            ['Etag', headerOf('Etag')],
            ['Last Modified', headerOf('Last-Modified')],
          ] as const)
        : []),
    ],
    errors,
  });
  return { status: 202, headers: ['Content-Type', contentType], body };
}

async function makeManifest(call: SwiftCall): Promise<SwiftResponse> {
  checkNewName('Object', call.object);
  if (call.header(LINK_HEADER)) throw refuse(swiftFaults.badRequest, 'A manifest cannot be a symlink');
  const body = readBody(call, MANIFEST_BYTES_MAX);
  const expectedEtag = readExpectedMd5(call);
  const attributes = readNewAttributes(call);
  const conditions = readPutConditions(call);
  const wanted = parseManifest(await body.collect(MANIFEST_BYTES_MAX), `/${call.container}/${call.object}`);
  const segments = await checkSegments(call, wanted);
  const etag = sloEtag(segments);
  if (expectedEtag !== undefined && expectedEtag !== etag) throw new Fault(storeFaults.badDigest, { algorithm: 'md5' });
  const info = await call.world.store.putObject(call, call.objectRef, {
    ...attributes,
    headers: withoutManifest(attributes.headers ?? {}),
    body: emptyBody(),
    conditions,
    slo: { segments, sizeBytes: sloSize(segments), etag },
  });
  return createdResponse(info);
}

/** MD5 over the segments' ETags; a segment with a range counts as `etag:first-last;`. */
export function sloEtag(segments: readonly SloSegment[]): string {
  const md5 = createHash('md5');
  for (const { etag, range } of segments) md5.update(range ? `${etag}:${range[0]}-${range[1]};` : etag);
  return md5.digest('hex');
}

async function checkSegments(call: SwiftCall, wanted: readonly WantedSegment[]): Promise<SloSegment[]> {
  const found = await headAll(call, wanted);
  const errors: [string, string][] = [];
  const segments: SloSegment[] = [];
  for (const [index, segment] of wanted.entries()) {
    const isLast = index === wanted.length - 1;
    const checked = 'data' in segment ? inline(segment.data) : checkObject(segment, found.get(segment.path), isLast);
    if (typeof checked !== 'string') segments.push(checked);
    else if ('path' in segment) errors.push([segment.path, checked]);
  }
  if (errors.length > 0) {
    const { contentType, body } = renderReport(call, { fields: [], errors, root: 'upload' });
    throw new Fault(swiftFaults.badRequest, { text: body, contentType, segments: errors });
  }
  return segments;
}

/** What is there under each path: the object, or the status line of why not. */
async function headAll(call: SwiftCall, wanted: readonly WantedSegment[]): Promise<Map<string, ObjectInfo | string>> {
  const paths = [...new Set(wanted.flatMap((segment) => ('path' in segment ? [segment.path] : [])))];
  const found = new Map<string, ObjectInfo | string>();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) found.set(path, await headOne(call, path));
  };
  await Promise.all(Array.from({ length: Math.min(HEADS_AT_ONCE, paths.length) }, work));
  return found;
}

async function headOne(call: SwiftCall, path: string): Promise<ObjectInfo | string> {
  const slash = path.indexOf('/', 1);
  const ref = { account: call.account ?? '', container: path.slice(1, slash), object: path.slice(slash + 1) };
  try {
    return (await findObject(call, ref)).opened;
  } catch (error) {
    const status = statusOf(error, call);
    if (!isFault(error) || status >= 500) throw error;
    return statusLine(status);
  }
}

type WantedObject = Extract<WantedSegment, { path: string }>;

/** The segment as stored, or what is wrong with it. */
function checkObject(
  wanted: WantedObject,
  info: ObjectInfo | string | undefined,
  isLast: boolean,
): SloSegment | string {
  if (info === undefined || typeof info === 'string') return info ?? statusLine(404);
  const { sizeBytes, etag } = info;
  if (sizeBytes < 1 && !isLast) return 'Too Small; each segment must be at least 1 byte.';
  if (wanted.sizeBytes !== undefined && wanted.sizeBytes !== sizeBytes) return 'Size Mismatch';
  if (wanted.etag !== undefined && wanted.etag.replaceAll('"', '') !== etag) return 'Etag Mismatch';
  const segment = { path: wanted.path, etag, sizeBytes, ...(info.slo && { subSlo: true }) };
  if (wanted.range === undefined) return segment;
  const outcome = parseRange(`bytes=${wanted.range}`, sizeBytes);
  const range = typeof outcome === 'string' ? undefined : outcome[0];
  if (!range) return 'Unsatisfiable Range';
  return { ...segment, range: [range.offset, range.offset + range.length - 1] };
}

function inline(data: Buffer): SloSegment {
  const etag = createHash('md5').update(data).digest('hex');
  return { path: '', etag, sizeBytes: data.length, data: data.toString('base64') };
}

/** Refuses what cannot be both a manifest and a copy. */
export function refuseManifestCopy(): never {
  throw refuse(swiftFaults.methodNotAllowed, 'Multipart Manifest PUTs cannot be COPY requests');
}
