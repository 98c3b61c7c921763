/**
 * Versions in Swift's words (X-Versions-Enabled): which one a request names, how they are listed, and what is made of
 * them. They are the very versions that S3 sees, under the same ids; only where the two differ (a delete leaves the place
 * of the object empty, `null` is nothing but the object as it is) does Swift's way hold here.
 * https://docs.openstack.org/swift/latest/api/object_versioning.html
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { type Stamp, stampFromSwift } from '../../fabric/stamp.ts';
import {
  type ContainerInfo,
  type ObjectInfo,
  type ObjectRef,
  storeFaults,
  type VersionEntry,
} from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { acceptedJson } from './listing-format.ts';
import { readListQuery } from './listing-query.ts';
import { renderVersions } from './listing-render.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';
import { isTrue } from './true-value.ts';

export const DELETE_MARKER_TYPE = 'application/x-deleted;swift_versions_deleted=1';
const NULL_VERSION = 'null';
const STAMP = /^[0-9a-f]{16}$/;

/** The version that the request names, as the store calls it; undefined when it names none. */
export function readVersionId(call: SwiftCall): string | undefined {
  if (call.http.query === undefined) return undefined;
  const text = call.params.get('version-id');
  if (!text) return undefined;
  const id = parseId(text);
  if (id === undefined) throw refuseAsPage(swiftFaults.badRequest, 'Invalid version parameter');
  return id;
}

function parseId(text: string): string | undefined {
  if (text === NULL_VERSION || STAMP.test(text)) return text;
  return stampFromSwift(text);
}

/** Opens what the request means by `ref`: that version of it, or the object itself. `infoOf` of what `open` gives. */
export async function openVersion<Opened>(
  call: SwiftCall,
  ref: ObjectRef,
  { open, infoOf }: { open: (ref: ObjectRef) => Promise<Opened>; infoOf: (opened: Opened) => ObjectInfo },
): Promise<Opened> {
  const versionId = readVersionId(call);
  if (versionId === undefined) return open(ref);
  if (versionId === NULL_VERSION) {
    const opened = await open(ref);
    if ((infoOf(opened).versionId ?? NULL_VERSION) !== NULL_VERSION) throw refuse(swiftFaults.notFound);
    return opened;
  }
  try {
    return await open({ ...ref, versionId });
  } catch (error) {
    if (isFault(error, storeFaults.isDeleteMarker)) throw deletedVersion(versionId);
    if (!isFault(error, storeFaults.noSuchVersion)) throw error;
    return openSetAsideNull(call, ref, { versionId, open, infoOf });
  }
}

/** What was written before there were versions is called by its time once it has been set aside. */
async function openSetAsideNull<Opened>(
  call: SwiftCall,
  ref: ObjectRef,
  wanted: {
    versionId: string;
    open: (ref: ObjectRef) => Promise<Opened>;
    infoOf: (opened: Opened) => ObjectInfo;
  },
): Promise<Opened> {
  await refuseUnversioned(call);
  const opened = await wanted.open({ ...ref, versionId: NULL_VERSION }).catch((error: unknown): undefined => {
    if (!isFault(error, storeFaults.noSuchVersion) && !isFault(error, storeFaults.isDeleteMarker)) throw error;
    return undefined;
  });
  if (opened === undefined || wanted.infoOf(opened).stamp !== wanted.versionId) throw refuse(swiftFaults.notFound);
  return opened;
}

async function refuseUnversioned(call: SwiftCall): Promise<void> {
  const { versioning } = await call.world.store.peek(call.containerRef);
  if (versioning === undefined) {
    const text = 'version-aware operations require that the container is versioned';
    throw refuse(swiftFaults.badRequest, text);
  }
}

function deletedVersion(versionId: string): Fault {
  const headers = ['X-Object-Version-Id', versionId];
  return new Fault(swiftFaults.notFound, { text: '', contentType: DELETE_MARKER_TYPE, headers });
}

/** Adds which version was read, and where that very one is to be had. */
export function pushVersion(headers: string[], call: SwiftCall, info: ObjectInfo): void {
  const { versionId } = info;
  const asked = call.http.query === undefined ? undefined : call.params.get('version-id');
  if (asked) headers.push('X-Object-Version-Id', asked);
  else if (versionId !== undefined) headers.push('X-Object-Version-Id', versionId);
}

/** `DELETE ?version-id`: that version goes for good; the object's place stays empty when it was the newest. */
export async function deleteVersion(call: SwiftCall): Promise<SwiftResponse> {
  const versionId = readVersionId(call);
  if (versionId === undefined) throw refuseAsPage(swiftFaults.badRequest, 'Invalid version parameter');
  const { store } = call.world;
  let deleted = await store.deleteObject(call, { ...call.objectRef, versionId }, { vacates: true });
  if (!deleted.existed && versionId !== NULL_VERSION) {
    const head = (ref: ObjectRef): Promise<ObjectInfo> => store.headObject(call, ref);
    await openVersion(call, call.objectRef, { open: head, infoOf: (info) => info });
    deleted = await store.deleteObject(call, { ...call.objectRef, versionId: NULL_VERSION }, { vacates: true });
  }
  if (!deleted.existed) throw refuse(swiftFaults.notFound);
  const headers = ['X-Object-Version-Id', call.params.get('version-id') ?? versionId];
  headers.push('X-Object-Current-Version-Id', deleted.currentVersionId ?? NULL_VERSION);
  return emptyResponse(204, headers);
}

/** `PUT ?version-id`: that version is the object again; no new one is made. Resolves with what it is. */
export async function restoreVersion(call: SwiftCall): Promise<ObjectInfo> {
  const versionId = readVersionId(call);
  const { body } = call.http;
  const bytes = body.lengthBytes ?? (await body.read())?.length ?? 0;
  if (bytes > 0) throw refuse(swiftFaults.badRequest, 'PUT version-id requests require a zero byte body');
  if (versionId === undefined || versionId === NULL_VERSION) {
    throw refuseAsPage(swiftFaults.badRequest, 'Invalid version parameter');
  }
  const restore = (ref: ObjectRef): Promise<ObjectInfo> => call.world.store.restoreVersion(call, ref);
  const head = (ref: ObjectRef): Promise<ObjectInfo> => call.world.store.headObject(call, ref);
  try {
    return await restore({ ...call.objectRef, versionId });
  } catch (error) {
    if (isFault(error, storeFaults.isDeleteMarker)) throw deletedVersion(versionId);
    if (!isFault(error, storeFaults.noSuchVersion)) throw error;
  }
  await openVersion(call, call.objectRef, { open: head, infoOf: (info) => info }).catch((error: unknown): never => {
    if (!isFault(error, swiftFaults.notFound)) throw error;
    throw refuse(swiftFaults.notFound, 'The specified version does not exist');
  });
  return restore({ ...call.objectRef, versionId: NULL_VERSION });
}

/** What X-Versions-Enabled asks of a container; undefined when it says nothing. */
export function readVersioning(call: SwiftCall): 'Enabled' | 'Suspended' | undefined {
  const value = call.header('x-versions-enabled');
  if (value === undefined || value === '') return undefined;
  return isTrue(value) ? 'Enabled' : 'Suspended';
}

export function pushVersioning(headers: string[], { s3 }: ContainerInfo): void {
  const state = s3['versioning'];
  if (state !== undefined) headers.push('X-Versions-Enabled', state === 'Enabled' ? 'True' : 'False');
}

/** `GET ?versions`: every version of every object, newest first under each name; JSON alone. */
export async function listVersions(call: SwiftCall): Promise<{ info: ContainerInfo; body: Buffer }> {
  const format = call.params.get('format');
  if (format ? format.toLowerCase() !== 'json' : !acceptedJson(call)) throw refuse(swiftFaults.notAcceptable);
  const query = readListQuery(call);
  const marker = call.params.get('version_marker');
  if (marker && query.marker === undefined) {
    throw refuseAsPage(swiftFaults.badRequest, 'version_marker param requires marker');
  }
  const versionIdMarker = marker ? parseId(marker) : undefined;
  if (marker && versionIdMarker === undefined) throw refuse(swiftFaults.badRequest, 'invalid version_marker param');
  const { store } = call.world;
  const info = await store.headContainer(call, call.containerRef);
  const page = await store.listVersions(call, call.containerRef, { ...query, versionIdMarker });
  return { info, body: Buffer.from(renderVersions(page.entries.map(shown))) };
}

type Listed = Exclude<VersionEntry, { prefix: string }>;

/** Nothing but the object itself is called null. */
function shown(entry: VersionEntry): VersionEntry {
  if ('prefix' in entry) return entry;
  const { versionId, isLatest, deleteMarker, stamp } = entry;
  const named: Listed =
    versionId === NULL_VERSION && !(isLatest && !deleteMarker) ? { ...entry, versionId: stamp } : entry;
  return deleteMarker ? { ...named, contentType: DELETE_MARKER_TYPE, etag: EMPTY_MD5, sizeBytes: 0 } : named;
}

const EMPTY_MD5 = 'd41d8cd98f00b204e9800998ecf8427e';

/** Where the version just read is to be had again, under the object's own path. */
export const versionLocation = (path: string, versionId: Stamp | string): string => `${path}?version-id=${versionId}`;
