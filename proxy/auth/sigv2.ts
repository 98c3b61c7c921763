/**
 * AWS Signature Version 2 for S3, in the Authorization header or in the query, for clients that know nothing newer. It
 * covers the method, the path, sub-resources, Content-MD5, Content-Type, the time and all x-amz- headers; nothing else,
 * the body included. https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../fabric/clock.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import type { User, Users } from '../contract.ts';
import { parseHttpDate } from '../http-date.ts';
import { callerOf } from './callers.ts';
import { type Authentication, payloadWithoutKey, SKEW_MS_MAX, userOfKeys } from './sigv4.ts';
import { decodePercent } from './sigv4-canonical.ts';
import { refusal, sigv4Faults } from './sigv4-faults.ts';
import { formatIsoSecond, parseAmzDate } from './sigv4-time.ts';

const SCHEME = 'AWS ';
const TOKEN = 'x-amz-security-token';
const SHA1_BYTES = 20;
const EXPIRES_DIGITS_MAX = 12;

export interface Sigv2World {
  readonly users: Users;
  readonly clock: Clock;
  /** The bucket that the request's host names; '' for none. */
  readonly bucketOfHost: (request: HttpRequest) => string;
  /** Parameters, beside those of the signature itself, that make a request another one. */
  readonly isSigned: (parameter: string) => boolean;
}

/** Whether the request claims a signature of this version. */
export function isSigv2({ headers, query }: HttpRequest): boolean {
  if (headers.get('authorization')?.startsWith(SCHEME)) return true;
  return query?.includes('AWSAccessKeyId=') === true && !query.includes('X-Amz-Signature=');
}

interface Claim {
  readonly accessKeyId: string;
  readonly signature: string;
  /** As it is signed: Date, or Expires of a presigned request; empty where x-amz-date says it. */
  readonly time: string;
}

type Parameters = readonly (readonly [name: string, value: string | undefined])[];

export class Sigv2 {
  readonly #world: Sigv2World;

  constructor(world: Sigv2World) {
    this.#world = world;
  }

  /** A Fault of `sigv4Faults` with a bad signature. */
  authenticate(request: HttpRequest): Authentication {
    const parameters = readParameters(request.query);
    const header = request.headers.get('authorization');
    const claim = header === undefined ? this.#presigned(parameters) : this.#inHeader(request, header, parameters);
    const inQuery = parameters.find(([name]) => name.toLowerCase() === TOKEN)?.[1];
    const user = userOfKeys(this.#world.users, claim.accessKeyId, request.headers.get(TOKEN) ?? inQuery);
    const text = this.#stringToSign(request, parameters, { time: claim.time, end: '' });
    // A bucket's path may be signed with a slash at its end that is not sent.
    const isBucket =
      request.path.length > 1 && request.path.indexOf('/', 1) < 0 && this.#world.bucketOfHost(request) === '';
    const isOther =
      isBucket && isSigned(user, claim, this.#stringToSign(request, parameters, { time: claim.time, end: '/' }));
    if (!isOther) checkSignature(user, claim, text);
    return {
      caller: callerOf(user),
      user,
      payload: payloadWithoutKey(request.headers.get('x-amz-content-sha256')),
      signedHeaders: signedNames(request),
    };
  }

  #inHeader(request: HttpRequest, header: string, parameters: Parameters): Claim {
    if (parameters.some(([name]) => name === 'AWSAccessKeyId' || name === 'Signature')) throw twoMechanisms(header);
    const colon = header.lastIndexOf(':');
    if (colon < SCHEME.length) {
      const value = { ArgumentName: 'Authorization', ArgumentValue: header };
      throw refusal(
        sigv4Faults.invalidArgument,
        'AWS authorization header is invalid. Expected AwsAccessKeyId:signature',
        value,
      );
    }
    const amzDate = request.headers.get('x-amz-date');
    const date = amzDate ?? request.headers.get('date');
    const timeMs = date === undefined ? undefined : (parseHttpDate(date) ?? parseAmzDate(date));
    if (timeMs === undefined || timeMs < 0) {
      throw refusal(sigv4Faults.accessDenied, 'AWS authentication requires a valid Date or x-amz-date header');
    }
    this.#checkSkew(date as string, timeMs);
    const accessKeyId = header.slice(SCHEME.length, colon).trim();
    return { accessKeyId, signature: header.slice(colon + 1), time: amzDate === undefined ? (date as string) : '' };
  }

  #checkSkew(date: string, timeMs: number): void {
    const nowMs = this.#world.clock.nowMs();
    if (Math.abs(nowMs - timeMs) <= SKEW_MS_MAX) return;
    throw refusal(sigv4Faults.requestTimeTooSkewed, undefined, {
      RequestTime: date,
      ServerTime: formatIsoSecond(nowMs),
      MaxAllowedSkewMilliseconds: String(SKEW_MS_MAX),
    });
  }

  #presigned(parameters: Parameters): Claim {
    const [accessKeyId, signature, expires] = ['AWSAccessKeyId', 'Signature', 'Expires'].map((wanted) => {
      const found = parameters.filter(([name]) => name === wanted);
      return found.length === 1 ? (found[0]?.[1] ?? '') : '';
    }) as [string, string, string];
    if (accessKeyId === '' || signature === '' || expires === '') {
      const message = 'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters';
      throw refusal(sigv4Faults.accessDenied, message);
    }
    if (!/^\d+$/.test(expires) || expires.length > EXPIRES_DIGITS_MAX) {
      throw refusal(sigv4Faults.accessDenied, `Invalid date (should be seconds since epoch): ${expires}`);
    }
    const nowMs = this.#world.clock.nowMs();
    if (nowMs > Number(expires) * 1000) {
      const times = { Expires: formatIsoSecond(Number(expires) * 1000), ServerTime: formatIsoSecond(nowMs) };
      throw refusal(sigv4Faults.accessDenied, 'Request has expired', times);
    }
    return { accessKeyId, signature, time: expires };
  }

  #stringToSign(request: HttpRequest, parameters: Parameters, { time, end }: { time: string; end: string }): string {
    const { method, headers } = request;
    const inQuery = (wanted: string): string | undefined =>
      parameters.find(([name]) => name.toLowerCase() === wanted)?.[1];
    const md5 = headers.get('content-md5') ?? inQuery('content-md5') ?? '';
    const type = headers.get('content-type') ?? inQuery('content-type') ?? '';
    const resource = this.#resource(request, parameters, end);
    return `${method}\n${md5}\n${type}\n${time}\n${amzHeaders(request, parameters)}${resource}`;
  }

  #resource(request: HttpRequest, parameters: Parameters, end: string): string {
    const bucket = this.#world.bucketOfHost(request);
    const signed = parameters
      .filter(([name]) => this.#world.isSigned(name))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
    const path = (bucket === '' ? '' : `/${bucket}`) + request.path + end;
    return signed.length === 0 ? path : `${path}?${signed.join('&')}`;
  }
}

/** Decoded; the value is undefined without `=`. */
function readParameters(query: string | undefined): Parameters {
  if (!query) return [];
  return query.split('&').map((piece) => {
    const equals = piece.indexOf('=');
    if (equals < 0) return [decodePercent(piece), undefined];
    return [decodePercent(piece.slice(0, equals)), decodePercent(piece.slice(equals + 1).replaceAll('+', ' '))];
  });
}

/** Of the head, and those that a presigned request carries in its query. Lines of one name are joined. */
function amzHeaders(request: HttpRequest, parameters: Parameters): string {
  const found = new Map<string, string>();
  const add = (name: string, value: string): void => {
    const before = found.get(name);
    found.set(name, before === undefined ? value : `${before},${value}`);
  };
  const lines = request.headerLines();
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]!.startsWith('x-amz-')) add(lines[i]!, lines[i + 1]!);
  }
  for (const [parameter, value] of parameters) {
    const name = parameter.toLowerCase();
    if (name.startsWith('x-amz-')) add(name, value ?? '');
  }
  const names = [...found.keys()].sort();
  return names
    .map(
      (name) =>
        `${name}:${found
          .get(name)
          ?.trim()
          .replace(/\s*\n\s*/g, ' ')}\n`,
    )
    .join('');
}

/** Lower-case names of headers that the signature covers. */
function signedNames(request: HttpRequest): ReadonlySet<string> {
  const names = new Set(['content-md5', 'content-type', 'date']);
  for (const name of request.headers.keys()) if (name.startsWith('x-amz-')) names.add(name);
  return names;
}

const isSigned = ({ secretAccessKey }: User, { signature }: Claim, text: string): boolean =>
  isSignedWith(secretAccessKey, text, signature);

function checkSignature(user: User, claim: Claim, text: string): void {
  if (isSigned(user, claim, text)) return;
  const { accessKeyId, signature } = claim;
  throw refusal(sigv4Faults.signatureDoesNotMatch, undefined, {
    AWSAccessKeyId: accessKeyId,
    StringToSign: text,
    SignatureProvided: signature,
    StringToSignBytes: Buffer.from(text, 'latin1')
      .toString('hex')
      .replace(/..(?!$)/g, '$& '),
  });
}

/** Whether `signature` is the HMAC-SHA1 of a byte string, in Base64. In constant time. */
export function isSignedWith(secret: string, text: string, signature: string): boolean {
  const given = Buffer.from(signature, 'base64');
  if (given.length !== SHA1_BYTES) return false;
  return timingSafeEqual(given, createHmac('sha1', secret).update(text, 'latin1').digest());
}

function twoMechanisms(header: string): Error {
  const message =
    'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified';
  return refusal(sigv4Faults.invalidArgument, message, { ArgumentName: 'Authorization', ArgumentValue: header });
}
