/**
 * Signatures that services send to be checked: EC2's query signatures (version 2 and AWS4) for ec2tokens, and a string
 * already made for s3tokens (AWS2's HMAC-SHA1 and AWS4). Pure. Versions 0 and 1 are refused: their strings leave parts of
 * the request unsigned.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface Ec2Request {
  readonly signature: string;
  readonly verb: string;
  readonly host: string;
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly bodyHash: string;
}

const SCOPE_END = 'aws4_request';
const S3_SERVICES: readonly string[] = ['s3', 'iam', 'sts'];

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** `stringToSign` as the service made it of the request. */
export function checkS3Signature(secret: string, stringToSign: Buffer, signature: string): boolean {
  const text = stringToSign.toString('utf8');
  if (!text.startsWith('AWS4'))
    return equal(createHmac('sha1', secret).update(stringToSign).digest('base64'), signature);
  const [algorithm, , scope = '', hash, ...rest] = text.split('\n');
  const [date = '', region = '', service = '', end] = scope.split('/');
  if (algorithm !== 'AWS4-HMAC-SHA256' || hash === undefined || rest.length > 0) return false;
  if (end !== SCOPE_END || !S3_SERVICES.includes(service)) return false;
  return equal(hmac(aws4Key(secret, { date, region, service }), text).toString('hex'), signature);
}

/** Also tried without the port in the host, which some clients leave out when they sign. */
export function checkEc2Signature(secret: string, request: Ec2Request): boolean {
  const bare = request.host.replace(/:\d+$/, '');
  return [request, ...(bare === request.host ? [] : [{ ...request, host: bare }])].some((one) => {
    const made = signatureOf(secret, one);
    return made !== undefined && equal(made, request.signature);
  });
}

function signatureOf(secret: string, request: Ec2Request): string | undefined {
  if (request.params['SignatureVersion'] === '2') return signature2(secret, request);
  const authorization = String(request.headers['Authorization'] ?? '');
  const isAws4 =
    authorization.startsWith('AWS4-HMAC-SHA256') || request.params['X-Amz-Algorithm'] === 'AWS4-HMAC-SHA256';
  return isAws4 ? signature4(secret, request, authorization) : undefined;
}

function signature2(secret: string, { verb, host, path, params }: Ec2Request): string {
  const query = canonicalQuery({ ...params, SignatureMethod: 'HmacSHA256' });
  return hmac(secret, `${verb}\n${host}\n${path}\n${query}`).toString('base64');
}

function signature4(secret: string, request: Ec2Request, authorization: string): string | undefined {
  const { verb, path, params, headers, bodyHash } = request;
  const part = (name: string): string =>
    authorization === ''
      ? String(params[`X-Amz-${name}`] ?? '')
      : (new RegExp(`${name}=([^,]*)`).exec(authorization)?.[1] ?? '');
  const time = String(headers['X-Amz-Date'] ?? params['X-Amz-Date'] ?? '');
  const [, date = '', region = '', service = '', end = ''] = part('Credential').split('/');
  if (date === '' || !time.startsWith(date)) return undefined;
  const lower = new Map(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase().trim(), String(value).trim()]),
  );
  const signed = part('SignedHeaders');
  const lines = signed.split(';').flatMap((name) => (lower.has(name) ? [`${name}:${lower.get(name)}`] : []));
  const query = verb.toUpperCase() === 'POST' ? '' : canonicalQuery(params);
  const canonical = [verb.toUpperCase(), path, query, `${lines.join('\n')}\n`, signed, bodyHash].join('\n');
  const hash = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', time, [date, region, service, end].join('/'), hash].join('\n');
  return hmac(aws4Key(secret, { date, region, service }), text).toString('hex');
}

function aws4Key(secret: string, { date, region, service }: { date: string; region: string; service: string }): Buffer {
  return [region, service, SCOPE_END].reduce<Buffer>((key, text) => hmac(key, text), hmac(`AWS4${secret}`, date));
}

function canonicalQuery(params: Readonly<Record<string, unknown>>): string {
  return Object.keys(params)
    .filter((name) => name !== 'Signature' && name !== 'X-Amz-Signature')
    .sort()
    .map((name) => `${quote(name)}=${quote(String(params[name]))}`)
    .join('&');
}

/** RFC 3986's unreserved characters stay. */
function quote(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function equal(made: string, given: string): boolean {
  const [a, b] = [Buffer.from(made), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
