/**
 * Every operation of the Swift API by what names it on the wire: what the path is about, method, and the parameter or
 * header that makes it another operation. The handler dispatches by this table and answers 405 with its methods;
 * docs/api-swift.md is written from it. https://docs.openstack.org/api-ref/object-store/
 */
import {
  deleteAccount,
  headAccount,
  listContainers,
  MANAGED_METHODS,
  managesAccounts,
  postAccount,
  putAccount,
} from './account.ts';
import { answerToken } from './auth.ts';
import { bulkDelete } from './bulk-delete.ts';
import { extractArchive } from './bulk-upload.ts';
import type { SwiftCall } from './call.ts';
import {
  deleteContainer,
  headContainer,
  listAllVersions,
  listObjects,
  postContainer,
  putContainer,
} from './container.ts';
import { copyFrom, copyTo } from './copy.ts';
import { answerOptions } from './cors.ts';
import { answerCrossDomain } from './crossdomain.ts';
import { refuse, swiftFaults } from './faults.ts';
import { answerHealthcheck, answerInfo } from './info.ts';
import { deleteObject, postObject } from './object.ts';
import { getObject, headObject } from './object-get.ts';
import { putObject, putVersion } from './object-put.ts';
import type { SwiftResponse } from './response.ts';
import { deleteWithSegments } from './slo-delete.ts';
import { putManifest } from './slo-put.ts';
import { putSyncedManifest } from './slo-synced.ts';
import { isTrue } from './true-value.ts';
import { deleteVersion } from './versions.ts';

export type Target = 'info' | 'healthcheck' | 'crossdomain' | 'auth' | 'account' | 'container' | 'object';
export type Variant =
  | ''
  | 'bulk-delete'
  | 'extract-archive'
  | 'x-copy-from'
  | 'multipart-manifest=put'
  | 'multipart-manifest=delete'
  | 'version-id'
  | 'versions';

export interface OperationRow {
  readonly target: Target;
  readonly method: string;
  readonly variant: Variant;
  readonly run: (call: SwiftCall) => Promise<SwiftResponse> | SwiftResponse;
  /** Status of success. */
  readonly status: string;
  /** For the document. */
  readonly note: string;
}

type Run = OperationRow['run'];

/** `wire`: "PUT object multipart-manifest=put". */
function row(wire: string, status: string, run: Run, note = ''): OperationRow {
  const [method = '', target = '', variant = ''] = wire.split(' ');
  return { method, target: target as Target, variant: variant as Variant, run, status, note };
}

const LISTING = 'format, prefix, delimiter, marker, end_marker, limit (10,000 at most), reverse';

const PREFLIGHT = 'preflight of a cross-origin request: 401 unless the container allows the origin';
const EXTRACT = 'tar, tar.gz or tar.bz2: its files become objects below the path, the report says what happened';

/** Rows of one target in the order in which Allow names their methods. */
export const OPERATIONS: readonly OperationRow[] = [
  row('GET info', '200', answerInfo, 'what is built and its limits, without a token'),
  row('HEAD info', '200', answerInfo),
  row('OPTIONS info', '200', allow),
  row('GET healthcheck', '200', answerHealthcheck, 'without a token'),
  row('HEAD healthcheck', '200', answerHealthcheck),
  row('GET crossdomain', '200', answerCrossDomain, 'where `cross-domain-policy` is configured; 404'),
  row('GET auth', '200', answerToken, 'X-Auth-User and X-Auth-Key, or X-Storage-User and X-Storage-Pass'),
  row('HEAD auth', '200', answerToken),
  row('GET account', '200, 204', listContainers, LISTING),
  row('HEAD account', '204', headAccount),
  row('POST account', '204', postAccount, 'metadata: merged; an empty value or X-Remove- removes'),
  row('POST account bulk-delete', '200', bulkDelete, 'up to 10,000 paths a request, the report says what happened'),
  row('OPTIONS account', '200', allow),
  row('PUT account', '201, 202', putAccount, 'by a reseller; metadata as with POST'),
  row('PUT account extract-archive', '200', extractArchive, EXTRACT),
  row('DELETE account', '204', deleteAccount, 'by a reseller; with all that is in it, in the background'),
  row('DELETE account bulk-delete', '200', bulkDelete, 'the same as POST'),
  row('GET container', '200, 204', listObjects, `${LISTING}, path`),
  row('GET container versions', '200', listAllVersions, `JSON; ${LISTING}, version_marker`),
  row('HEAD container', '204', headContainer),
  row('PUT container', '201, 202', putContainer, 'X-Storage-Policy, ACLs, metadata'),
  row('PUT container extract-archive', '200', extractArchive, EXTRACT),
  row('POST container', '204', postContainer, 'ACLs; metadata: merged, an empty value or X-Remove- removes'),
  row('DELETE container', '204', deleteContainer, '409 unless empty'),
  row('OPTIONS container', '200', allow, PREFLIGHT),
  row(
    'GET object',
    '200, 206',
    getObject,
    'ranges, conditions, If-Range; `multipart-manifest=get` gives a manifest; version-id',
  ),
  row('HEAD object', '200', headObject, '`multipart-manifest=get`, version-id'),
  row('PUT object', '201', putObject, 'ETag is compared (422); If-None-Match: *, If-Match; up to 5 GiB'),
  row(
    'PUT object x-copy-from',
    '201',
    copyFrom,
    'X-Copy-From-Account, X-Fresh-Metadata, Range, conditions, version-id',
  ),
  row('PUT object multipart-manifest=put', '201', putAnyManifest, 'a static large object of up to 1,000 segments'),
  row('PUT object version-id', '201', putVersion, 'that version is the object again'),
  row('PUT object extract-archive', '200', extractArchive, EXTRACT),
  row('POST object', '202', postObject, 'metadata: replaced as a whole'),
  row('DELETE object', '204', deleteObject, 'conditions'),
  row('DELETE object multipart-manifest=delete', '200', deleteWithSegments, 'the manifest and its segments'),
  row('DELETE object version-id', '204', deleteVersion, 'for good'),
  row('OPTIONS object', '200', allow, PREFLIGHT),
  row(
    'COPY object',
    '201',
    copyTo,
    'Destination, Destination-Account, X-Fresh-Metadata, Range, conditions, version-id',
  ),
];

const ROWS: ReadonlyMap<string, OperationRow> = new Map(
  OPERATIONS.map((each) => [`${each.target} ${each.method} ${each.variant}`, each]),
);

export function route(call: SwiftCall, target: Target): OperationRow {
  const { method } = call.http;
  const found = ROWS.get(`${target} ${method} ${variantOf(call, target)}`);
  if (found === undefined) throw refuse(swiftFaults.methodNotAllowed, undefined, ['Allow', methodsOf(call, target)]);
  return found;
}

function variantOf(call: SwiftCall, target: Target): Variant {
  const { method, query } = call.http;
  if (method === 'PUT' && query !== undefined && isPath(target) && call.params.has('extract-archive')) {
    return 'extract-archive';
  }
  if (target === 'object') {
    if (method === 'PUT' && call.header('x-copy-from')) return 'x-copy-from';
    const manifest = query === undefined ? undefined : call.params.get('multipart-manifest');
    if (method === 'PUT' && (manifest === 'put' || isSyncedManifest(call))) return 'multipart-manifest=put';
    if (method === 'DELETE' && manifest === 'delete') return 'multipart-manifest=delete';
    const isVersions = (method === 'PUT' || method === 'DELETE') && query !== undefined;
    if (isVersions && call.params.get('version-id')) return 'version-id';
  }
  if (target === 'container' && method === 'GET' && query !== undefined && call.params.has('versions'))
    return 'versions';
  const isBulk = target === 'account' && (method === 'POST' || method === 'DELETE') && query !== undefined;
  return isBulk && call.params.has('bulk-delete') ? 'bulk-delete' : '';
}

/** Another cluster's, which says so in a header of its own. */
function isSyncedManifest(call: SwiftCall): boolean {
  return call.isSync && isTrue(call.header('x-static-large-object'));
}

function putAnyManifest(call: SwiftCall): Promise<SwiftResponse> {
  return call.isSync ? putSyncedManifest(call) : putManifest(call);
}

function isPath(target: Target): boolean {
  return target === 'account' || target === 'container' || target === 'object';
}

function methodsOf(call: SwiftCall, target: Target): string {
  const rows = OPERATIONS.filter((each) => each.target === target && each.variant === '');
  const isOff = (method: string): boolean =>
    target === 'account' && MANAGED_METHODS.includes(method) && !managesAccounts(call);
  return [...new Set(rows.map((each) => each.method).filter((method) => !isOff(method)))].join(', ');
}

function allow(call: SwiftCall): Promise<SwiftResponse> {
  return answerOptions(call, methodsOf(call, targetOf(call)));
}

/** Of a request whose path has been read. */
function targetOf(call: SwiftCall): Target {
  if (call.account === undefined) return 'info';
  if (call.object !== '') return 'object';
  return call.container === '' ? 'account' : 'container';
}
