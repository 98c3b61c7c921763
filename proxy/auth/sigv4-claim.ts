/**
 * What a request claims about its signature, read from the Authorization header or from a presigned query. Checks form
 * only: whether the claim is true is decided in sigv4.ts. Everything here is hostile input of bounded size.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { parseHttpDate } from '../http-date.ts';
import { decodePercent } from './sigv4-canonical.ts';
import { refusal, sigv4Faults } from './sigv4-faults.ts';
import { formatAmzDate, parseAmzDate } from './sigv4-time.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const SIGNED_HEADERS_MAX = 200;
const EXPIRES_SECONDS_MAX = 7 * 24 * 3600;

export interface Claim {
  readonly presigned: boolean;
  readonly accessKeyId: string;
  /** `20130524`, of the scope. */
  readonly day: string;
  readonly region: string;
  /** `20130524/us-east-1/s3/aws4_request`. */
  readonly scope: string;
  readonly signedHeaderList: string;
  /** In the order of the list. */
  readonly signedHeaders: ReadonlySet<string>;
  readonly signature: string;
  /** `20130524T000000Z`, as it goes into the string to sign. */
  readonly timestamp: string;
  readonly timestampMs: number;
  /** Of a presigned request. */
  readonly expiresSeconds: number;
  /** The value of x-amz-content-sha256. */
  readonly payload: string;
  /** Of temporary keys. */
  readonly token: string | undefined;
}

/** A request that is none of S3's: other services are allowed, and the hash of its body is known. */
export interface FormClaim {
  readonly services: readonly string[];
  readonly sha256: string;
}

/** Undefined for an anonymous request. */
export function readClaim(request: HttpRequest, form?: FormClaim): Claim | undefined {
  const header = request.headers.get('authorization');
  const query = request.query;
  const inQuery = query !== undefined && (query.includes('X-Amz-') || query.includes('AWSAccessKeyId='));
  const parameters = inQuery ? presignParameters(query) : undefined;
  if (parameters !== undefined && header !== undefined) {
    throw refusal(
      sigv4Faults.invalidArgument,
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      { ArgumentName: 'Authorization', ArgumentValue: header },
    );
  }
  if (parameters !== undefined) return readPresigned(request, parameters);
  return header === undefined ? undefined : readHeader(request, header, form);
}

function readHeader(request: HttpRequest, header: string, form: FormClaim | undefined): Claim {
  const fields = splitAuthorization(header);
  const credential = readCredential(fields.credential, malformedHeader);
  checkService(credential, malformedHeader, form?.services);
  const { accessKeyId, day, region, scope } = credential;
  const signedHeaders = readSignedHeaders(fields.signedHeaders, malformedHeader);
  // Anything else that is no signature does not match.
  if (fields.signature === '') throw malformedHeader(FIELDS_EXPECTED);
  const { timestamp, timestampMs } = readTime(request);
  if (!timestamp.startsWith(day)) throw malformedHeader(wrongDay(day, timestamp));
  const payload = request.headers.get('x-amz-content-sha256') ?? form?.sha256;
  if (payload === undefined) {
    throw refusal(sigv4Faults.invalidRequest, 'Missing required header for this request: x-amz-content-sha256');
  }
  return {
    presigned: false,
    accessKeyId,
    day,
    region,
    scope,
    signedHeaderList: fields.signedHeaders,
    signedHeaders,
    signature: fields.signature,
    timestamp,
    timestampMs,
    expiresSeconds: 0,
    payload,
    token: request.headers.get('x-amz-security-token'),
  };
}

interface AuthorizationFields {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

/** `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, in any order, blanks after commas optional. */
function splitAuthorization(header: string): AuthorizationFields {
  const blank = header.indexOf(' ');
  const algorithm = blank < 0 ? header : header.slice(0, blank);
  if (algorithm !== ALGORITHM) throw wrongMechanism(algorithm, header);
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  // Without a blank there are no fields at all.
  let at = blank < 0 ? header.length : blank + 1;
  while (at < header.length) {
    while (header.charCodeAt(at) === 0x20) at++;
    let end = header.indexOf(',', at);
    if (end < 0) end = header.length;
    if (credential === undefined && header.startsWith('Credential=', at)) credential = header.slice(at + 11, end);
    else if (signedHeaders === undefined && header.startsWith('SignedHeaders=', at))
      signedHeaders = header.slice(at + 14, end);
    else if (signature === undefined && header.startsWith('Signature=', at)) signature = header.slice(at + 10, end);
    else throw malformedHeader(FIELDS_EXPECTED);
    at = end + 1;
    if (at === header.length) throw malformedHeader(FIELDS_EXPECTED);
  }
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw malformedHeader(FIELDS_EXPECTED);
  }
  return { credential, signedHeaders, signature };
}

const FIELDS_EXPECTED = 'the authorization header requires three components: Credential, SignedHeaders, and Signature.';

function wrongMechanism(algorithm: string, header: string): Error {
  if (algorithm === 'AWS' || algorithm.startsWith('AWS4-')) return oldMechanism();
  if (header === '') return refusal(sigv4Faults.accessDenied);
  const value = { ArgumentName: 'Authorization', ArgumentValue: header };
  return refusal(sigv4Faults.invalidArgument, 'Unsupported Authorization Type', value);
}

function oldMechanism(): Error {
  return refusal(
    sigv4Faults.invalidRequest,
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  );
}

type Presign = ReadonlyMap<string, string>;

const PRESIGN_REQUIRED = ['Algorithm', 'Credential', 'Signature', 'Date', 'SignedHeaders', 'Expires'] as const;

/** The X-Amz- parameters, decoded, when the query holds a signature of either version. */
function presignParameters(query: string): Presign | undefined {
  const found = new Map<string, string>();
  let signed = false;
  for (const piece of query.split('&')) {
    const equals = piece.indexOf('=');
    const name = decodePercent(equals < 0 ? piece : piece.slice(0, equals));
    if (name === 'AWSAccessKeyId') signed = true;
    if (!name.startsWith('X-Amz-')) continue;
    if (name === 'X-Amz-Algorithm' || name === 'X-Amz-Signature' || name === 'X-Amz-Credential') signed = true;
    if (found.has(name)) throw malformedQuery(`Query-string parameter ${name} is given twice.`);
    found.set(name, equals < 0 ? '' : decodePercent(piece.slice(equals + 1)));
  }
  return signed ? found : undefined;
}

function readPresigned(request: HttpRequest, parameters: Presign): Claim {
  if (!parameters.has('X-Amz-Algorithm') && request.query?.includes('AWSAccessKeyId=')) throw oldMechanism();
  for (const name of PRESIGN_REQUIRED) {
    if (!parameters.get(`X-Amz-${name}`)) throw malformedQuery(PRESIGN_INCOMPLETE);
  }
  const get = (name: string): string => parameters.get(`X-Amz-${name}`) ?? '';
  if (get('Algorithm') !== ALGORITHM) throw malformedQuery(`X-Amz-Algorithm only supports "${ALGORITHM}"`);
  const credential = readCredential(get('Credential'), malformedQuery);
  checkService(credential, malformedQuery);
  const signedHeaderList = get('SignedHeaders');
  const signedHeaders = readSignedHeaders(signedHeaderList, malformedQuery);
  const timestamp = get('Date');
  const timestampMs = parseAmzDate(timestamp);
  if (timestampMs === undefined) {
    throw malformedQuery(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`);
  }
  if (timestamp.slice(0, 8) !== credential.day) throw malformedQuery(wrongDay(credential.day, timestamp));
  const signature = get('Signature');
  const expiresSeconds = readExpires(get('Expires'));
  const payload = request.headers.get('x-amz-content-sha256') || get('Content-Sha256') || UNSIGNED_PAYLOAD;
  const token = parameters.get('X-Amz-Security-Token') ?? request.headers.get('x-amz-security-token');
  const base = { presigned: true, signedHeaderList, signedHeaders, signature, payload, token };
  return { ...base, ...credential, timestamp, timestampMs, expiresSeconds };
}

const PRESIGN_INCOMPLETE =
  'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.';

function readExpires(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw malformedQuery('X-Amz-Expires should be a number');
  const seconds = Number(text);
  if (seconds < 0) throw malformedQuery('X-Amz-Expires must be non-negative');
  if (seconds > EXPIRES_SECONDS_MAX) {
    const message =
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than';
    throw malformedQuery(`${message} ${EXPIRES_SECONDS_MAX} seconds`);
  }
  return seconds;
}

type Malformed = (message: string) => Error;

/** Of a client nearly always the same day after day: parsed once. Emptied when full, so that nobody can make it grow. */
const PARSED_MAX = 512;
const PARSED_LENGTH_MAX = 512;
const credentials = new Map<string, Credential>();
const headerLists = new Map<string, ReadonlySet<string>>();

function remember<T>(cache: Map<string, T>, text: string, value: T): void {
  if (text.length > PARSED_LENGTH_MAX) return;
  if (cache.size >= PARSED_MAX) cache.clear();
  cache.set(text, value);
}

type Credential = Pick<Claim, 'accessKeyId' | 'day' | 'region' | 'scope'> & { readonly service: string };

const S3_ALONE: readonly string[] = ['s3'];

function checkService({ service }: Credential, malformed: Malformed, services = S3_ALONE): void {
  if (services.includes(service)) return;
  throw malformed(`incorrect service "${service}". This endpoint belongs to "${services[0]}".`);
}

/** `AKID/20130524/us-east-1/s3/aws4_request`; the key id itself may hold slashes. */
function readCredential(text: string, malformed: Malformed): Credential {
  const known = credentials.get(text);
  if (known !== undefined) return known;
  const parts = text.split('/');
  if (parts.length < 5) {
    throw malformed('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".');
  }
  const [day, region, service, terminator] = parts.slice(-4) as [string, string, string, string];
  const accessKeyId = parts.slice(0, -4).join('/');
  if (terminator !== 'aws4_request') throw malformed('the Credential must end in "aws4_request".');
  if (!/^\d{8}$/.test(day)) {
    throw malformed(`incorrect date format "${day}". This date in the credential must be in the format "yyyyMMdd".`);
  }
  const credential = { accessKeyId, day, region, service, scope: `${day}/${region}/${service}/aws4_request` };
  remember(credentials, text, credential);
  return credential;
}

function readSignedHeaders(list: string, malformed: Malformed): ReadonlySet<string> {
  const known = headerLists.get(list);
  if (known !== undefined) return known;
  const names = list.split(';');
  if (list === '' || names.length > SIGNED_HEADERS_MAX) throw malformed('SignedHeaders is missing or too long.');
  let previous = '';
  for (const name of names) {
    // Sorted, hence no name twice; also what every signer does.
    if (name <= previous || name !== name.toLowerCase())
      throw malformed('SignedHeaders must be lower-case, sorted names.');
    previous = name;
  }
  const set: ReadonlySet<string> = new Set(names);
  remember(headerLists, list, set);
  return set;
}

/** x-amz-date, else Date in either form. */
function readTime(request: HttpRequest): Pick<Claim, 'timestamp' | 'timestampMs'> {
  const text = request.headers.get('x-amz-date') ?? request.headers.get('date');
  const timestampMs = text === undefined ? undefined : (parseAmzDate(text) ?? parseHttpDate(text));
  if (text === undefined || timestampMs === undefined) {
    throw refusal(sigv4Faults.accessDenied, 'AWS authentication requires a valid Date or x-amz-date header');
  }
  return { timestamp: text.length === 16 ? text : formatAmzDate(timestampMs), timestampMs };
}

export function isLowerHex64(text: string): boolean {
  if (text.length !== 64) return false;
  for (let i = 0; i < 64; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x66 || code < 0x30 || (code > 0x39 && code < 0x61)) return false;
  }
  return true;
}

function wrongDay(day: string, timestamp: string): string {
  return `Invalid credential date "${day}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`;
}

function malformedHeader(message: string): Error {
  return refusal(sigv4Faults.headerMalformed, `The authorization header is malformed; ${message}`);
}

function malformedQuery(message: string): Error {
  return refusal(sigv4Faults.queryMalformed, message);
}
