/**
 * COPY, and PUT with X-Copy-From, which are one operation seen from either end. The source's metadata stays unless the
 * request overrides it or wants none of it (X-Fresh-Metadata). Large objects are copied as the bytes they stand for;
 * with `?multipart-manifest=get`, as what they are.
 */
import { type ByteRange, parseRange } from '../http-range.ts';
import type { CopyOptions, ObjectAttributes, ObjectInfo, ObjectRef } from '../object/contract.ts';
import { MANIFEST_HEADER, manifestOf, withoutManifest } from '../object/dynamic.ts';
import { LINK_HEADER, LINK_HEADERS } from '../object/links.ts';
import { bodySource, emptyBody } from './body-source.ts';
import type { SwiftCall } from './call.ts';
import { readConditions } from './conditions.ts';
import { openDynamic } from './dlo.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { checkNewName, decodeName, encodeName } from './names.ts';
import { pushUserMetadata, readAttributes } from './object-headers.ts';
import { createdResponse, FILE_BYTES_MAX } from './object-put.ts';
import type { SwiftResponse } from './response.ts';
import { lastModified } from './shown.ts';
import { refuseManifestCopy } from './slo-put.ts';
import { findObject, wantsLink } from './symlink.ts';
import { isTrue } from './true-value.ts';

interface Copy {
  readonly source: ObjectRef;
  readonly target: ObjectRef;
}

/** COPY: the request's path is the source. */
export function copyTo(call: SwiftCall): Promise<SwiftResponse> {
  const destination = call.header('destination');
  if (!destination) throw refuseAsPage(swiftFaults.preconditionFailed, 'Destination header required');
  const account = readAccount(call, 'destination-account');
  const target = { account, ...parsePath(destination, 'Destination') };
  return copy(call, { source: call.objectRef, target });
}

/** PUT with X-Copy-From: the request's path is the target. */
export function copyFrom(call: SwiftCall): Promise<SwiftResponse> {
  const account = readAccount(call, 'x-copy-from-account');
  const source = { account, ...parsePath(call.header('x-copy-from') ?? '', 'X-Copy-From') };
  return copy(call, { source, target: call.objectRef });
}

function readAccount(call: SwiftCall, header: string): string {
  const value = call.header(header);
  if (value === undefined) return call.account ?? '';
  const account = decodeName(value);
  const { preconditionFailed } = swiftFaults;
  if (account.includes('/')) throw refuseAsPage(preconditionFailed, 'Account name cannot contain slashes');
  if (account === '') throw refuseAsPage(preconditionFailed, 'Account name cannot be empty');
  return account;
}

function parsePath(value: string, header: string): { container: string; object: string } {
  const path = decodeName(value);
  const start = path.startsWith('/') ? 1 : 0;
  const slash = path.indexOf('/', start);
  const container = path.slice(start, slash);
  const object = path.slice(slash + 1);
  if (slash < 0 || container === '' || object === '') {
    const text = `${header} header must be of the form <container name>/<object name>`;
    throw refuseAsPage(swiftFaults.preconditionFailed, text);
  }
  return { container, object };
}

async function copy(call: SwiftCall, { source, target }: Copy): Promise<SwiftResponse> {
  const { lengthBytes } = call.http.body;
  if (lengthBytes === undefined || lengthBytes > 0) {
    throw refuse(swiftFaults.badRequest, 'Copy requests require a zero byte body');
  }
  if (call.params.get('multipart-manifest') === 'put') refuseManifestCopy();
  checkNewName('Object', target.object);
  if (call.header(LINK_HEADER)) throw refuse(swiftFaults.badRequest, 'A copy cannot be made a symlink');
  const { sourceConditions, conditions } = splitConditions(call);
  const { opened: head, ref } = await findObject(call, source, sourceConditions);
  const attributes = copyAttributes(call, head);
  // The version that was looked at, not what may be there by now.
  const isVersion = call.params.get('version-id') && ref === source && head.versionId !== undefined;
  const from = isVersion ? { ...ref, versionId: head.versionId } : ref;
  const info = await copyBytes(call, { source: from, target, head, attributes, conditions });
  return createdResponse(info, copiedHeaders(source, head, info));
}

interface CopyPlan extends Copy {
  readonly head: ObjectInfo;
  readonly attributes: ObjectAttributes;
  readonly conditions: CopyOptions['conditions'];
}

async function copyBytes(call: SwiftCall, plan: CopyPlan): Promise<ObjectInfo> {
  const { store } = call.world;
  const { head, source, target, attributes, conditions } = plan;
  const asManifest = call.params.get('multipart-manifest') === 'get';
  if (head.slo && asManifest) {
    const slo = { segments: head.slo, sizeBytes: head.sizeBytes, etag: head.etag };
    return store.putObject(call, target, { ...attributes, conditions, body: emptyBody(), slo });
  }
  const isDynamic = manifestOf(head) !== undefined && !asManifest;
  const whole = isDynamic ? await openDynamic(call, source.account, head) : undefined;
  const sizeBytes = whole?.info.sizeBytes ?? head.sizeBytes;
  if (sizeBytes > FILE_BYTES_MAX) throw refuse(swiftFaults.tooLarge);
  const range = sourceRange(call, sizeBytes);
  if (whole || range) {
    // New bytes: what a range or a prefix yields is nowhere stored as such.
    const opened = whole ?? (await store.getObject(call, source));
    const body = bodySource(opened.open(range?.offset ?? 0, range?.length ?? sizeBytes));
    const headers = isDynamic ? withoutManifest(attributes.headers ?? {}) : attributes.headers;
    return store.putObject(call, target, { ...attributes, headers, conditions, body });
  }
  const { info } = await store.copyObject(call, target, { source, conditions, directive: 'replace', attributes });
  return info;
}

/** `If-None-Match: *` guards the target; all other conditions are about the source. */
function splitConditions(call: SwiftCall): Pick<CopyOptions, 'conditions' | 'sourceConditions'> {
  const all = readConditions(call);
  if (all?.ifNoneMatch !== '*') return { sourceConditions: all, conditions: undefined };
  return { sourceConditions: { ...all, ifNoneMatch: undefined }, conditions: { ifNoneMatch: '*' } };
}

function copyAttributes(call: SwiftCall, head: ObjectInfo): ObjectAttributes {
  const asked = readAttributes(call);
  const contentType = asked.contentType ?? head.contentType;
  if (isTrue(call.header('x-fresh-metadata')))
    return { ...asked, contentType, headers: { ...nature(call, head), ...asked.headers } };
  return {
    contentType,
    user: { ...head.user, ...asked.user },
    headers: { ...head.headers, ...asked.headers },
    deleteAt: asked.deleteAt ?? head.deleteAt,
  };
}

/** What the copy is rather than what is said about it: a manifest or a link that is copied as such stays one. */
function nature(call: SwiftCall, head: ObjectInfo): Record<string, string> {
  const kept: Record<string, string> = {};
  const isManifest = call.params.get('multipart-manifest') === 'get';
  const names = [...(isManifest ? [MANIFEST_HEADER] : []), ...(wantsLink(call) ? LINK_HEADERS : [])];
  for (const name of names) if (head.headers[name] !== undefined) kept[name] = head.headers[name];
  return kept;
}

function sourceRange(call: SwiftCall, sizeBytes: number): ByteRange | undefined {
  const header = call.header('range');
  if (header === undefined) return undefined;
  const outcome = parseRange(header, sizeBytes);
  if (outcome === 'whole') return undefined;
  if (outcome === 'unsatisfiable') {
    throw refuse(swiftFaults.rangeNotSatisfiable, undefined, ['Content-Range', `bytes */${sizeBytes}`]);
  }
  if (outcome.length > 1) throw refuse(swiftFaults.badRequest, 'Copy requests take one range');
  return outcome[0];
}

function copiedHeaders(source: ObjectRef, head: ObjectInfo, info: ObjectInfo): string[] {
  const headers = ['X-Copied-From', encodeName(`${source.container}/${source.object}`)];
  headers.push('X-Copied-From-Account', encodeName(source.account));
  headers.push('X-Copied-From-Last-Modified', lastModified(head.stamp));
  if (head.versionId !== undefined) headers.push('X-Copied-From-Version-Id', head.versionId);
  pushUserMetadata(headers, info);
  if (info.deleteAt !== undefined) headers.push('X-Delete-At', String(info.deleteAt));
  return headers;
}
