/**
 * AWS Signature Version 4 for S3: who sent this request, and is it what they signed? Owns the order of the checks. Reads
 * the head only; what the signature promises about the body is handed on as `PayloadMode`, for sigv4-chunked.ts and proxy/s3/upload-body.ts to hold the
 * body to. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
import { hash } from 'node:crypto';
import type { Clock } from '../../fabric/clock.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import type { User, Users } from '../contract.ts';
import { ANONYMOUS, type Caller } from '../object/contract.ts';
import { callerOf } from './callers.ts';
import { canonicalRequest } from './sigv4-canonical.ts';
import { ALGORITHM, type Claim, type FormClaim, isLowerHex64, readClaim, UNSIGNED_PAYLOAD } from './sigv4-claim.ts';
import { type ErrorFields, refusal, sigv4Faults } from './sigv4-faults.ts';
import { type SigningKey, SigningKeys, sameSignature } from './sigv4-keys.ts';
import { formatIsoSecond } from './sigv4-time.ts';

/** Where services that have no region are signed for. */
const GLOBAL_REGION = 'us-east-1';
export const SKEW_MS_MAX = 15 * 60 * 1000;

/** Signs what follows the head of a STREAMING- request. */
export interface ChunkSigning {
  readonly key: SigningKey;
  readonly timestamp: string;
  readonly scope: string;
  /** Signature of the head, first link of the chain. */
  readonly seedSignature: string;
}

/** What the signature says about the body. */
export type PayloadMode =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'chunked'; readonly signing: ChunkSigning | undefined; readonly trailer: boolean };

export interface Authentication {
  readonly caller: Caller;
  readonly user: User | undefined;
  readonly payload: PayloadMode;
  /** Lower-case names that a verified signature covers; empty for anonymous. */
  readonly signedHeaders: ReadonlySet<string>;
}

export interface Sigv4World {
  readonly users: Users;
  readonly clock: Clock;
  readonly region: string;
}

const UNSIGNED: PayloadMode = { kind: 'unsigned' };
const UNSIGNED_TRAILER: PayloadMode = { kind: 'chunked', signing: undefined, trailer: true };
const NOBODY: Authentication = { caller: ANONYMOUS, user: undefined, payload: UNSIGNED, signedHeaders: new Set() };

export class Sigv4 {
  readonly #world: Sigv4World;
  readonly #keys = new SigningKeys();

  constructor(world: Sigv4World) {
    this.#world = world;
  }

  /** Anonymous without a signature; a Fault of `sigv4Faults` with a bad one. */
  authenticate(request: HttpRequest, form?: FormClaim): Authentication {
    const claim = readClaim(request, form);
    if (claim === undefined) return anonymous(request);
    const user = userOfKeys(this.#world.users, claim.accessKeyId, claim.token);
    if (form === undefined || claim.region !== GLOBAL_REGION) this.#checkRegion(claim);
    this.#checkTime(claim);
    const key = this.#keys.get(claim.accessKeyId, user.secretAccessKey, claim.scope);
    checkSignature(request, claim, key);
    checkAllSigned(request, claim);
    return { caller: callerOf(user), user, payload: payloadMode(claim, key), signedHeaders: claim.signedHeaders };
  }

  #checkRegion(claim: Claim): void {
    const region = this.#world.region;
    if (claim.region === region) return;
    const message = `the region '${claim.region}' is wrong; expecting '${region}'`;
    if (claim.presigned) {
      throw refusal(sigv4Faults.queryMalformed, `Error parsing the X-Amz-Credential parameter; ${message}`, {
        Region: region,
      });
    }
    throw refusal(sigv4Faults.headerMalformed, `The authorization header is malformed; ${message}`, { Region: region });
  }

  #checkTime(claim: Claim): void {
    const nowMs = this.#world.clock.nowMs();
    if (!claim.presigned) {
      if (Math.abs(nowMs - claim.timestampMs) <= SKEW_MS_MAX) return;
      throw refusal(sigv4Faults.requestTimeTooSkewed, undefined, {
        RequestTime: claim.timestamp,
        ServerTime: formatIsoSecond(nowMs),
        MaxAllowedSkewMilliseconds: String(SKEW_MS_MAX),
      });
    }
    if (claim.timestampMs - nowMs > SKEW_MS_MAX) throw refusal(sigv4Faults.accessDenied, 'Request is not valid yet');
    const expiresMs = claim.timestampMs + claim.expiresSeconds * 1000;
    if (nowMs > expiresMs) {
      throw refusal(sigv4Faults.accessDenied, 'Request has expired', {
        'X-Amz-Expires': String(claim.expiresSeconds),
        Expires: formatIsoSecond(expiresMs),
        ServerTime: formatIsoSecond(nowMs),
      });
    }
  }
}

/** Whose keys these are. Faults InvalidAccessKeyId, InvalidToken, ExpiredToken. */
export function userOfKeys(users: Users, accessKeyId: string, token: string | undefined): User {
  if (token !== undefined) {
    if (users.bySession === undefined) throw refusal(sigv4Faults.invalidToken);
    return users.bySession(accessKeyId, token);
  }
  const user = users.byAccessKey(accessKeyId);
  if (user !== undefined) return user;
  throw refusal(sigv4Faults.invalidAccessKeyId, undefined, { AWSAccessKeyId: accessKeyId });
}

/** Without a signature a body may still be checked by its digest, and may come aws-chunked with an unsigned trailer. */
function anonymous(request: HttpRequest): Authentication {
  if (request.headers.has('x-amz-security-token')) throw refusal(sigv4Faults.invalidToken);
  const payload = payloadWithoutKey(request.headers.get('x-amz-content-sha256'));
  return payload === UNSIGNED ? NOBODY : { ...NOBODY, payload };
}

/** What may be said of a body where no signing key of Version 4 is at hand. */
export function payloadWithoutKey(payload: string | undefined): PayloadMode {
  if (payload === undefined || payload === UNSIGNED_PAYLOAD) return UNSIGNED;
  if (payload === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return UNSIGNED_TRAILER;
  if (isLowerHex64(payload)) return { kind: 'sha256', hex: payload };
  throw badPayload(payload);
}

function checkSignature(request: HttpRequest, claim: Claim, key: SigningKey): void {
  const { signedHeaders, signedHeaderList, payload } = claim;
  const canonical = canonicalRequest(request, { signedHeaders, signedHeaderList, payload, verbatim: false });
  const stringToSign = toSign(claim, canonical);
  if (sameSignature(key.sign(stringToSign), claim.signature)) return;
  const verbatim = canonicalRequest(request, { signedHeaders, signedHeaderList, payload, verbatim: true });
  if (verbatim !== canonical && sameSignature(key.sign(toSign(claim, verbatim)), claim.signature)) return;
  throw refusal(sigv4Faults.signatureDoesNotMatch, undefined, {
    AWSAccessKeyId: claim.accessKeyId,
    StringToSign: stringToSign,
    SignatureProvided: claim.signature,
    StringToSignBytes: spacedHex(stringToSign),
    CanonicalRequest: canonical,
    CanonicalRequestBytes: spacedHex(canonical),
  });
}

function toSign(claim: Claim, canonical: string): string {
  const digest = hash('sha256', Buffer.from(canonical, 'latin1'), 'hex');
  return `${ALGORITHM}\n${claim.timestamp}\n${claim.scope}\n${digest}`;
}

function spacedHex(text: string): string {
  return Buffer.from(text, 'latin1')
    .toString('hex')
    .replace(/..(?!$)/g, '$& ');
}

/** Of these two the string to sign holds the value itself. */
const SIGNED_BY_FORM: ReadonlySet<string> = new Set(['x-amz-content-sha256', 'x-amz-date']);

/** Whoever holds a signed request must not be able to add to it: Host and every x-amz- header have to be signed. */
function checkAllSigned(request: HttpRequest, claim: Claim): void {
  const signed = claim.signedHeaders;
  let missing = signed.has('host') ? '' : 'host';
  const lines = request.headerLines();
  const repeated = lines.length !== request.headers.size * 2;
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!;
    if (!name.startsWith('x-amz-')) continue;
    // A signature covers the joined values; whoever reads only the first would read something else.
    if (repeated && !name.startsWith('x-amz-meta-') && firstLine(lines, name) !== i) {
      throw refusal(sigv4Faults.invalidArgument, 'A header is given more than once', { ArgumentName: name });
    }
    if (signed.has(name)) continue;
    if (SIGNED_BY_FORM.has(name) && !(claim.presigned && name === 'x-amz-date')) continue;
    missing += missing === '' ? name : `, ${name}`;
  }
  if (missing === '') return;
  const fields: ErrorFields = { HeadersNotSigned: missing };
  throw refusal(sigv4Faults.accessDenied, 'There were headers present in the request which were not signed', fields);
}

function firstLine(lines: readonly string[], name: string): number {
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i] === name) return i;
  }
  return -1;
}

function payloadMode(claim: Claim, key: SigningKey): PayloadMode {
  const payload = claim.payload;
  if (payload === UNSIGNED_PAYLOAD) return UNSIGNED;
  if (isLowerHex64(payload)) return { kind: 'sha256', hex: payload };
  if (payload === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return UNSIGNED_TRAILER;
  const signing = { key, timestamp: claim.timestamp, scope: claim.scope, seedSignature: claim.signature };
  if (payload === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD') return { kind: 'chunked', signing, trailer: false };
  if (payload === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER') return { kind: 'chunked', signing, trailer: true };
  throw badPayload(payload);
}

function badPayload(payload: string): Error {
  if (payload.startsWith('STREAMING-AWS4-ECDSA-')) return refusal(sigv4Faults.notImplemented);
  return refusal(
    sigv4Faults.invalidArgument,
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    { ArgumentName: 'x-amz-content-sha256', ArgumentValue: payload },
  );
}
