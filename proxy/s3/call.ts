/** One S3 request on its way: what every operation gets, and the small things that all answers share. */
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import { XML_DECLARATION, xmlElement } from '../../fabric/xml.ts';
import type { Authentication } from '../auth/sigv4.ts';
import type { ProxyWorld } from '../contract.ts';
import type { ContainerRef, Context, ObjectRef } from '../object/contract.ts';
import { s3Fault } from './errors.ts';
import { type Query, urlEncode } from './query.ts';
import type { S3Scope } from './scope.ts';

export interface S3Call {
  readonly world: ProxyWorld;
  readonly request: HttpRequest;
  readonly context: Context;
  readonly scope: S3Scope;
  readonly auth: Authentication;
  readonly query: Query;
  readonly bucket: string;
  readonly key: string;
  /** Of the answer; request ids are in it already. */
  readonly headers: string[];
}

export type Operation = (call: S3Call) => Promise<HttpResponse>;

export const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

/** A 200 with `<name xmlns>inner</name>`. */
export function xmlAnswer(call: S3Call, name: string, inner: string): HttpResponse {
  call.headers.push('Content-Type', 'application/xml');
  return { status: 200, headers: call.headers, body: `${XML_DECLARATION}<${name} ${XMLNS}>${inner}</${name}>` };
}

export function emptyAnswer(call: S3Call, status: number): HttpResponse {
  return { status, headers: call.headers };
}

/** The container behind the request's bucket, checked against x-amz-expected-bucket-owner. */
export async function resolve(call: S3Call): Promise<ContainerRef> {
  const ref = await call.world.store.resolveBucket(call.context, call.bucket);
  checkOwner(ref, call.request.headers.get('x-amz-expected-bucket-owner'));
  return ref;
}

export async function resolveObject(call: S3Call): Promise<ObjectRef> {
  const { account, container } = await resolve(call);
  const ref = { account, container, object: call.key };
  if (call.query.size === 0) return ref;
  return { ...ref, versionId: call.query.get('versionId') };
}

/** URL of the call's object, in the style of its request. */
export function objectLocation({ request, bucket, key }: S3Call): string {
  const { path, tls, headers } = request;
  const isPathStyle = path === `/${bucket}` || path.startsWith(`/${bucket}/`);
  const name = isPathStyle ? `/${bucket}/${key}` : `/${key}`;
  return `${tls ? 'https' : 'http'}://${headers.get('host') ?? ''}${urlEncode(name)}`;
}

export function checkOwner(ref: ContainerRef, expected: string | undefined): void {
  if (expected !== undefined && expected !== ref.account && `AUTH_${expected}` !== ref.account)
    throw s3Fault('AccessDenied');
}

/** Whether it could be a version's id; that there is such a version is for the store to say. */
export function checkVersionId(versionId: string | undefined): void {
  if (versionId === undefined || versionId === 'null' || /^[0-9a-f]{16}$/.test(versionId)) return;
  throw s3Fault('InvalidArgument', 'Invalid version id specified', {
    ArgumentName: 'versionId',
    ArgumentValue: versionId,
  });
}

export function pushVersion(headers: string[], { versionId }: { readonly versionId?: string | undefined }): void {
  if (versionId !== undefined) headers.push('x-amz-version-id', versionId);
}

let lastSecond = Number.NaN;
let lastText = '';

/** Unix milliseconds of Last-Modified: whole seconds, never ahead of the clock (RFC 9110 §8.8.2.1), other than in Swift. */
export function lastModifiedMs(stamp: Stamp): number {
  return Math.floor(stampMs(stamp) / 1000) * 1000;
}

/**
 * `2013-05-24T00:00:00.123Z`. Its second is that of Last-Modified; clients that compare a file's time with it (`aws s3 sync`)
 * would send anew what was written and uploaded within one second, if that was all it said.
 */
export function isoTime(stamp: Stamp): string {
  const ms = Math.floor(stampMs(stamp));
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toISOString().slice(0, -4);
    lastSecond = second;
  }
  return `${lastText}${String(ms % 1000).padStart(3, '0')}Z`;
}

/** Of an entry of a listing. */
export function classXml({ class: storageClass }: Readonly<Record<string, unknown>>): string {
  if (storageClass === undefined) return '<StorageClass>STANDARD</StorageClass>';
  return xmlElement('StorageClass', String(storageClass));
}

export function ownerXml(name: string, account: string): string {
  const display = account.startsWith('AUTH_') ? account.slice('AUTH_'.length) : account;
  return `<${name}>${xmlElement('ID', account)}${xmlElement('DisplayName', display)}</${name}>`;
}
