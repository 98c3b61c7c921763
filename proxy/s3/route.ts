/**
 * Which row of the operations table a request is for. Decides by method, by what the path names, by sub-resource and by
 * x-amz-copy-source; calls nothing. What has no row is refused here: an unknown combination never falls through to a
 * plain PUT or DELETE.
 */
import type { Operation, S3Call } from './call.ts';
import { type S3Code, s3Fault } from './errors.ts';
import { OPERATIONS, type OperationRow, type Target } from './operations.ts';

const ROWS: ReadonlyMap<string, OperationRow> = new Map(OPERATIONS.map((row) => [keyOf(row), row]));
/** Every name in a query that makes a request one for a sub-resource. */
const SUB_RESOURCES: ReadonlySet<string> = new Set(OPERATIONS.map((row) => row.sub).filter((sub) => sub !== ''));

/** Parameters that make a request another one, without naming a sub-resource. */
const MODIFIERS: ReadonlySet<string> = new Set(['partNumber', 'versionId']);

/** Whether Signature Version 2 covers a parameter: all that would make the request one for something else. */
export function isSignedByVersion2(parameter: string): boolean {
  return SUB_RESOURCES.has(parameter) || MODIFIERS.has(parameter) || parameter.startsWith('response-');
}

function keyOf(row: Pick<OperationRow, 'target' | 'method' | 'sub' | 'copies'>): string {
  return `${row.target} ${row.method} ${row.sub}${row.copies === true ? ' copy' : ''}`;
}

export type BuiltRow = OperationRow & { readonly run: Operation };

export function route(call: S3Call): BuiltRow {
  const { method, headers } = call.request;
  const target = targetOf(call);
  const sub = call.query.size === 0 ? '' : subResource(call);
  const canCopy = target === 'object' && method === 'PUT' && (sub === '' || sub === 'uploadId');
  const copies = canCopy && headers.has('x-amz-copy-source') ? { copies: true as const } : {};
  const row = ROWS.get(keyOf({ target, method, sub, ...copies }));
  if (row === undefined) throw noSuchOperation(method, target, sub);
  if (!isBuilt(row)) throw refusalOf(row);
  if (call.query.size > 0) checkQuery(call, row);
  return row;
}

function isBuilt(row: OperationRow): row is BuiltRow {
  return row.run !== undefined;
}

function targetOf(call: S3Call): Target {
  if (call.bucket === '') return 'service';
  return call.key === '' ? 'bucket' : 'object';
}

function subResource(call: S3Call): string {
  let found = '';
  for (const name of call.query.keys()) {
    if (!SUB_RESOURCES.has(name)) continue;
    if (found !== '') {
      throw s3Fault('InvalidArgument', `Conflicting query string parameters: ${found}, ${name}`, {
        ArgumentName: 'ResourceType',
        ArgumentValue: name,
      });
    }
    found = name;
  }
  return found;
}

function noSuchOperation(method: string, target: Target, sub: string): Error {
  const methods = OPERATIONS.filter((row) => row.target === target && row.sub === sub).map((row) => row.method);
  if (methods.length === 0) {
    const what = target === 'object' ? 'key' : target;
    return s3Fault('InvalidRequest', `There is no such thing as the ?${sub} sub-resource for a ${what}`);
  }
  const allowed = [...new Set(methods)].join(', ');
  return s3Fault('MethodNotAllowed', '', {
    Method: method,
    ResourceType: sub || target.toUpperCase(),
    AllowedMethods: allowed,
  });
}

function refusalOf(row: OperationRow): Error {
  const code: S3Code = row.refusal ?? 'NotImplemented';
  return s3Fault(code, `${row.name} is not implemented.`, row.sub === '' ? {} : { ResourceType: row.sub });
}

/** Parameters that would change what is done, on operations that do not look at them. */
function checkQuery(call: S3Call, row: OperationRow): void {
  const { query } = call;
  if (row.target === 'object' && query.has('versionId') && row.version !== true) {
    throw s3Fault('InvalidArgument', 'This operation does not accept a version-id.', {
      ArgumentName: 'versionId',
      ArgumentValue: query.get('versionId') ?? '',
    });
  }
  const isRead = row.method === 'GET' || row.method === 'HEAD';
  if (row.target === 'object' && query.has('partNumber') && !isRead && row.sub !== 'uploadId') {
    throw s3Fault('InvalidArgument', 'This operation does not accept a part number without an upload id.', {
      ArgumentName: 'partNumber',
      ArgumentValue: query.get('partNumber') ?? '',
    });
  }
}
