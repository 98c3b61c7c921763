/** Requests about a container: making, describing, listing and removing it. */
import { stampToSwift } from '../../fabric/stamp.ts';
import type { ContainerInfo } from '../object/contract.ts';
import { cleanAcl } from './acl.ts';
import type { SwiftCall } from './call.ts';
import { readSync, refuseSyncedVersions } from './container-sync.ts';
import { readQuoting } from './etag-quoter.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { chooseFormat, pushVary } from './listing-format.ts';
import { listPath } from './listing-path.ts';
import { readListQuery } from './listing-query.ts';
import { objectsBody } from './listing-render.ts';
import { pushMetadata, readMetadataChange, readSysmeta, refuseOwnerOnly } from './metadata.ts';
import { checkNewName } from './names.ts';
import { emptyResponse, type SwiftResponse } from './response.ts';
import { lastModified } from './shown.ts';
import { listVersions, pushVersioning, readVersioning } from './versions.ts';
import { readLocations, refuseMixedVersions } from './versions-location.ts';

const ACL_HEADERS = ['X-Container-Read', 'X-Container-Write'] as const;

export async function listObjects(call: SwiftCall): Promise<SwiftResponse> {
  const format = chooseFormat(call);
  const query = readListQuery(call);
  const path = call.params.get('path');
  const page =
    path === undefined
      ? await call.world.store.listObjects(call, call.containerRef, query)
      : await listPath(call, path, query);
  const headers = describe(call, page.info, format);
  const body = objectsBody(format, { account: call.account ?? '', container: call.container }, page.entries);
  return body.length === 0 ? { status: 204, headers } : { status: 200, headers, body };
}

export async function listAllVersions(call: SwiftCall): Promise<SwiftResponse> {
  const { info, body } = await listVersions(call);
  return { status: 200, headers: describe(call, info, 'application/json'), body };
}

export async function headContainer(call: SwiftCall): Promise<SwiftResponse> {
  const format = chooseFormat(call);
  const info = await call.world.store.headContainer(call, call.containerRef);
  return { status: 204, headers: describe(call, info, format) };
}

export async function putContainer(call: SwiftCall): Promise<SwiftResponse> {
  checkNewName('Container', call.container);
  const metadata = readChange(call);
  const policy = readPolicy(call);
  const versioning = readVersioning(call);
  const s3 = versioning === undefined ? undefined : { versioning };
  const options = { metadata, ...(policy !== undefined && { policy }), ...(s3 && { s3 }) };
  const { store } = call.world;
  await refuseMixedVersions(call, metadata, versioning);
  await refuseSyncedVersions(call, metadata, versioning);
  const { created } = await store.createContainer(call, call.containerRef, options);
  if (s3 && !created) await store.updateContainer(call, call.containerRef, { s3 });
  return emptyResponse(created ? 201 : 202);
}

export async function postContainer(call: SwiftCall): Promise<SwiftResponse> {
  const metadata = readChange(call);
  const versioning = readVersioning(call);
  await refuseMixedVersions(call, metadata, versioning);
  await refuseSyncedVersions(call, metadata, versioning);
  const change = versioning === undefined ? { metadata } : { metadata, s3: { versioning } };
  await call.world.store.updateContainer(call, call.containerRef, change);
  return emptyResponse(204);
}

export async function deleteContainer(call: SwiftCall): Promise<SwiftResponse> {
  await call.world.store.deleteContainer(call, call.containerRef);
  return emptyResponse(204);
}

function readChange(call: SwiftCall): Record<string, string | null> {
  const change = readMetadataChange(call, 'container');
  checkQuotaHeaders(call);
  for (const header of ACL_HEADERS) {
    const name = header.toLowerCase();
    const value = call.header(name);
    if (value !== undefined) change[name] = cleanAcl(header, value) || null;
    else if (call.header(name.replace('x-', 'x-remove-')) !== undefined) change[name] = null;
  }
  readLocations(call, change);
  readSync(call, change);
  readQuoting(call, 'container', change);
  readSysmeta(call, 'container', change);
  refuseOwnerOnly(call, change);
  return change;
}

function checkQuotaHeaders(call: SwiftCall): void {
  for (const what of ['bytes', 'count']) {
    const value = call.header(`x-container-meta-quota-${what}`);
    if (value && !/^\d+$/.test(value)) throw refuseAsPage(swiftFaults.badRequest, `Invalid ${what} quota.`);
  }
}

function readPolicy(call: SwiftCall): number | undefined {
  const wanted = call.header('x-storage-policy');
  if (wanted === undefined || wanted === '') return undefined;
  const index = call.world.policies.findIndex(({ aliases }) => aliases.includes(wanted.toLowerCase()));
  const policy = call.world.policies[index];
  if (!policy) throw refuse(swiftFaults.badRequest, `Invalid X-Storage-Policy '${ascii(wanted)}'`);
  if (policy.deprecated) throw refuse(swiftFaults.badRequest, `Storage Policy ${policy.name} is deprecated`);
  return index;
}

const ascii = (text: string): string => text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');

function describe(call: SwiftCall, info: ContainerInfo, format: string): string[] {
  const headers = ['Content-Type', `${format}; charset=utf-8`];
  pushVary(headers, call);
  headers.push('X-Container-Object-Count', String(info.objectCount));
  headers.push('X-Container-Bytes-Used', String(info.bytesUsed));
  headers.push('X-Timestamp', stampToSwift(info.createdStamp), 'Last-Modified', lastModified(info.modifiedStamp));
  headers.push('Accept-Ranges', 'bytes');
  if (call.caller.reseller === true) headers.push('X-Container-Sharding', 'False');
  const policy = call.world.policies[info.policy];
  if (policy) headers.push('X-Storage-Policy', policy.name);
  pushVersioning(headers, info);
  pushMetadata(headers, call, info.metadata);
  return headers;
}
