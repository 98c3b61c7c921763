/**
 * A store under measurement as its clients see it: where it is, how to be let in, and which processes to charge. How a
 * request looks in Swift and in S3 is here and nowhere else. Plain data, so that it can be sent to the load generator.
 */
import { request } from 'undici';
import { type S3Keys, S3Signer } from './sign-s3.ts';

export type Api = 'swift' | 's3';

export interface Target {
  readonly api: Api;
  /** Swift: the storage URL. S3: the endpoint. No slash at the end. */
  readonly url: string;
  readonly token?: string;
  readonly keys?: S3Keys;
}

export interface Call {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface ListQuery {
  readonly limit: number;
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly marker?: string;
}

const BODY_TYPE = 'application/octet-stream';

export class Caller {
  readonly host: string;
  readonly origin: string;
  readonly #target: Target;
  readonly #base: string;
  readonly #signer: S3Signer | undefined;

  constructor(target: Target) {
    const url = new URL(target.url);
    this.host = url.host;
    this.origin = url.origin;
    this.#target = target;
    this.#base = url.pathname.replace(/\/$/, '');
    this.#signer = target.api === 's3' && target.keys ? new S3Signer(target.keys, url.host) : undefined;
  }

  /** `name` has letters, digits, `-`, `.`, `_` and `/` alone, so that nothing needs encoding. */
  object(method: string, container: string, name: string): Call {
    return this.#call(method, `${this.#base}/${container}/${name}`, '', method === 'PUT' ? BODY_TYPE : '');
  }

  container(method: string, container: string): Call {
    return this.#call(method, `${this.#base}/${container}`, '');
  }

  list(container: string, { limit, prefix, delimiter, marker }: ListQuery): Call {
    const swift = this.#target.api === 'swift';
    const pairs: [string, string | number | undefined][] = swift
      ? [
          ['format', 'json'],
          ['limit', limit],
          ['prefix', prefix],
          ['delimiter', delimiter],
          ['marker', marker],
        ]
      : [
          ['delimiter', delimiter],
          ['list-type', 2],
          ['max-keys', limit],
          ['prefix', prefix],
          ['start-after', marker],
        ];
    const query = pairs
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeURIComponent(value as string)}`);
    return this.#call('GET', `${this.#base}/${container}`, query.join('&'));
  }

  #call(method: string, path: string, query: string, type = ''): Call {
    const headers = this.#signer?.headers(method, path, query, type) ?? [];
    if (type) headers.push(['Content-Type', type]);
    if (this.#target.token) headers.push(['X-Auth-Token', this.#target.token]);
    return { method, path: query ? `${path}?${query}` : path, headers };
  }
}

/** One request outside the measured time. */
export async function send(caller: Caller, call: Call, body?: Buffer): Promise<{ status: number; body: Buffer }> {
  const response = await request(caller.origin + call.path, {
    method: call.method as 'GET',
    headers: Object.fromEntries(call.headers),
    body: body ?? null,
    bodyTimeout: 120_000,
    headersTimeout: 120_000,
  });
  return { status: response.statusCode, body: Buffer.from(await response.body.arrayBuffer()) };
}

/** Asks `authUrl` (…/auth/v1.0) for a token and the storage URL. */
export async function swiftLogin(authUrl: string, user: string, key: string): Promise<Target> {
  const { statusCode, headers, body } = await request(authUrl, { headers: { 'X-Auth-User': user, 'X-Auth-Key': key } });
  await body.dump();
  const [url, token] = [headers['x-storage-url'], headers['x-auth-token']];
  if (statusCode !== 200 || typeof url !== 'string' || typeof token !== 'string') {
    throw new Error(`${authUrl} answered ${statusCode} to the login of ${user}`);
  }
  return { api: 'swift', url, token };
}

export async function makeContainer(target: Target, name: string): Promise<void> {
  const caller = new Caller(target);
  const { status, body } = await send(caller, caller.container('PUT', name));
  // 409: the bucket is there already and ours.
  if (![200, 201, 202, 204, 409].includes(status))
    throw new Error(`PUT ${name}: ${status} ${body.toString().slice(0, 200)}`);
}
