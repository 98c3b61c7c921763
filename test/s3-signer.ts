/**
 * A Signature Version 4 client for tests: written from the documentation with plain `createHmac`, sharing nothing with the
 * server's own code, so that the two check each other. Also makes HttpRequests without a network.
 */
import { createHash, createHmac } from 'node:crypto';
import { EMPTY_BODY } from '../fabric/http/body-queue.ts';
import type { HttpBody, HttpRequest } from '../fabric/http/contract.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

export interface ToSign {
  readonly method: string;
  /** Raw, percent-encoded. */
  readonly path: string;
  /** Raw, without `?`; parameters in any order. */
  readonly query?: string;
  /** Names in lower case; host among them. Every one is signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
  /** `20130524T000000Z`. */
  readonly timestamp: string;
}

export const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Uint8Array, data: string): Buffer =>
  createHmac('sha256', key).update(data, 'latin1').digest();

export function signingKey({ secretAccessKey, region }: Credentials, day: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), 's3'), 'aws4_request');
}

export function scopeOf({ region }: Credentials, timestamp: string): string {
  return `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export interface Signed {
  readonly signature: string;
  readonly signedHeaders: string;
  readonly credential: string;
}

export function sign(credentials: Credentials, request: ToSign): Signed {
  const names = Object.keys(request.headers).sort();
  const signedHeaders = names.join(';');
  const headerText = names.map((name) => `${name}:${request.headers[name]!.trim().replace(/ +/g, ' ')}\n`).join('');
  const query = (request.query ?? '')
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`).split('='))
    .sort(([a, x], [b, y]) => (a === b ? compare(x!, y!) : compare(a!, b!)))
    .map((pair) => pair.join('='))
    .join('&');
  const canonical = `${request.method}\n${request.path}\n${query}\n${headerText}\n${signedHeaders}\n${request.payload}`;
  const scope = scopeOf(credentials, request.timestamp);
  const digest = sha256Hex(Buffer.from(canonical, 'latin1'));
  const stringToSign = `AWS4-HMAC-SHA256\n${request.timestamp}\n${scope}\n${digest}`;
  const signature = hmac(signingKey(credentials, request.timestamp.slice(0, 8)), stringToSign).toString('hex');
  return { signature, signedHeaders, credential: `${credentials.accessKeyId}/${scope}` };
}

/** Headers with x-amz-date, x-amz-content-sha256 and Authorization added. */
export function signHeaders(credentials: Credentials, request: ToSign): Record<string, string> {
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': request.timestamp,
    'x-amz-content-sha256': request.payload,
  };
  const { signature, signedHeaders, credential } = sign(credentials, { ...request, headers });
  const fields = `Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return { ...headers, authorization: `AWS4-HMAC-SHA256 ${fields}` };
}

/** The query of a presigned request, signature last. */
export function presign(credentials: Credentials, request: ToSign, expiresSeconds: number): string {
  const names = Object.keys(request.headers).sort().join(';');
  const credential = `${credentials.accessKeyId}/${scopeOf(credentials, request.timestamp)}`;
  const parameters = [
    ...(request.query === undefined || request.query === '' ? [] : [request.query]),
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(credential)}`,
    `X-Amz-Date=${request.timestamp}`,
    `X-Amz-Expires=${expiresSeconds}`,
    `X-Amz-SignedHeaders=${encodeURIComponent(names)}`,
  ];
  const query = parameters.join('&');
  const { signature } = sign(credentials, { ...request, query, payload: 'UNSIGNED-PAYLOAD' });
  return `${query}&X-Amz-Signature=${signature}`;
}

export interface ChunkedBody {
  readonly credentials: Credentials;
  readonly timestamp: string;
  /** Signature of the head. */
  readonly seed: string;
  readonly chunks: readonly Uint8Array[];
  readonly trailers?: Readonly<Record<string, string>>;
}

/** An aws-chunked body with signed chunks and, with `trailers`, a signed trailer. */
export function signChunks({ credentials, timestamp, seed, chunks, trailers }: ChunkedBody): Buffer {
  const key = signingKey(credentials, timestamp.slice(0, 8));
  const scope = scopeOf(credentials, timestamp);
  const out: Uint8Array[] = [];
  let previous = seed;
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    const text = `AWS4-HMAC-SHA256-PAYLOAD\n${timestamp}\n${scope}\n${previous}\n${sha256Hex('')}\n${sha256Hex(chunk)}`;
    previous = hmac(key, text).toString('hex');
    out.push(Buffer.from(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`), chunk);
    if (chunk.length > 0) out.push(Buffer.from('\r\n'));
  }
  if (trailers !== undefined) {
    const names = Object.keys(trailers).sort();
    const digest = sha256Hex(names.map((name) => `${name}:${trailers[name]}\n`).join(''));
    const text = `AWS4-HMAC-SHA256-TRAILER\n${timestamp}\n${scope}\n${previous}\n${digest}`;
    for (const name of names) out.push(Buffer.from(`${name}:${trailers[name]}\r\n`));
    out.push(Buffer.from(`x-amz-trailer-signature:${hmac(key, text).toString('hex')}\r\n`));
  }
  out.push(Buffer.from('\r\n'));
  return Buffer.concat(out);
}

/** An aws-chunked body without signatures. */
export function plainChunks(chunks: readonly Uint8Array[], trailers: Readonly<Record<string, string>>): Buffer {
  const out: Uint8Array[] = [];
  for (const chunk of chunks) out.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  out.push(Buffer.from('0\r\n'));
  for (const [name, value] of Object.entries(trailers)) out.push(Buffer.from(`${name}:${value}\r\n`));
  out.push(Buffer.from('\r\n'));
  return Buffer.concat(out);
}

/** A body given in these pieces. */
export function bodyOf(pieces: readonly Uint8Array[]): HttpBody {
  let next = 0;
  const read = (): Promise<Uint8Array | undefined> => Promise.resolve(pieces[next++]);
  return {
    lengthBytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
    read,
    collect: () => Promise.resolve(Buffer.concat(pieces)),
  };
}

export interface MadeRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: string | undefined;
  /** [name, value, …] or by name. */
  readonly headers: Readonly<Record<string, string>> | readonly string[];
  readonly body?: HttpBody;
}

export function makeRequest({ method, path, query, headers, body = EMPTY_BODY }: MadeRequest): HttpRequest {
  const lines = Array.isArray(headers) ? (headers as readonly string[]) : Object.entries(headers).flat();
  const map = new Map<string, string>();
  for (let i = 0; i < lines.length; i += 2) {
    if (!map.has(lines[i]!)) map.set(lines[i]!, lines[i + 1]!);
  }
  const { signal } = new AbortController();
  return {
    method,
    path,
    query,
    headers: map,
    headerLines: () => lines,
    body,
    remoteAddress: '::1',
    tls: false,
    signal,
  };
}
