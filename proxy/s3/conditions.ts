/** Conditional headers (RFC 9110 §13 and S3's x-amz-copy-source-if-*) to the store's conditions. */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { parseHttpDate } from '../http-date.ts';
import type { Conditions } from '../object/contract.ts';
import { s3Fault } from './errors.ts';

/** Of GET and HEAD; undefined when there is none. */
export function readConditions(headers: HttpRequest['headers']): Conditions | undefined {
  const ifMatch = headers.get('if-match');
  const ifNoneMatch = headers.get('if-none-match');
  const modified = headers.get('if-modified-since');
  const unmodified = headers.get('if-unmodified-since');
  if (ifMatch === undefined && ifNoneMatch === undefined && modified === undefined && unmodified === undefined) {
    return undefined;
  }
  return {
    ifMatch: ifMatch === undefined ? undefined : parseEtags(ifMatch),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : parseEtags(ifNoneMatch),
    // RFC 9110 §13.2.2: the dates count only where the entity tags are absent.
    ifModifiedSinceMs: ifNoneMatch !== undefined ? undefined : readDate(modified),
    ifUnmodifiedSinceMs: ifMatch !== undefined ? undefined : readDate(unmodified),
  };
}

/** Of PUT and CompleteMultipartUpload: If-Match an entity tag, or If-None-Match: *. */
export function readWriteConditions(headers: HttpRequest['headers']): Conditions | undefined {
  const ifMatch = headers.get('if-match');
  const ifNoneMatch = headers.get('if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  if (ifNoneMatch !== undefined && (ifNoneMatch !== '*' || ifMatch !== undefined)) {
    throw s3Fault('NotImplemented', '', {
      Header: 'If-None-Match',
      additionalMessage: "We don't accept the provided value of If-None-Match header for this API",
    });
  }
  return ifMatch === undefined ? { ifNoneMatch: '*' } : { ifMatch: parseEtags(ifMatch) };
}

/** Of DELETE: If-Match alone. */
export function readDeleteConditions(headers: HttpRequest['headers']): Conditions | undefined {
  const ifMatch = headers.get('if-match');
  return ifMatch === undefined ? undefined : { ifMatch: parseEtags(ifMatch) };
}

/** Of the source of a copy. */
export function readSourceConditions(headers: HttpRequest['headers']): Conditions | undefined {
  const ifMatch = headers.get('x-amz-copy-source-if-match');
  const ifNoneMatch = headers.get('x-amz-copy-source-if-none-match');
  const modified = headers.get('x-amz-copy-source-if-modified-since');
  const unmodified = headers.get('x-amz-copy-source-if-unmodified-since');
  if (ifMatch === undefined && ifNoneMatch === undefined && modified === undefined && unmodified === undefined) {
    return undefined;
  }
  return {
    ifMatch: ifMatch === undefined ? undefined : parseEtags(ifMatch),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : parseEtags(ifNoneMatch),
    ifModifiedSinceMs: ifNoneMatch !== undefined ? undefined : readDate(modified),
    ifUnmodifiedSinceMs: ifMatch !== undefined ? undefined : readDate(unmodified),
  };
}

/** The store compares to the hundredth of a millisecond; a date of S3 means its whole second, as Last-Modified shows it. */
const REST_OF_SECOND_MS = 999.995;

function readDate(text: string | undefined): number | undefined {
  const ms = text === undefined ? undefined : parseHttpDate(text);
  return ms === undefined ? undefined : ms + REST_OF_SECOND_MS;
}

/** Quotes are optional, as S3 has it; a weak tag compares like a strong one. */
export function parseEtags(header: string): readonly string[] | '*' {
  const text = header.trim();
  if (text === '*') return '*';
  return text.split(',').map(bareEtag);
}

export function bareEtag(text: string): string {
  let tag = text.trim();
  if (tag.startsWith('W/')) tag = tag.slice(2);
  if (tag.length >= 2 && tag.startsWith('"') && tag.endsWith('"')) tag = tag.slice(1, -1);
  return tag;
}
