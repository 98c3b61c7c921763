/**
 * The requests by which a container's objects go to another container, in the words of Swift's own: a HEAD, to see whether
 * the other side has it already, a PUT, a DELETE; each signed with the realm's key and the container's, or with the
 * latter alone. Asks no address but what sync-realms.ts makes of X-Container-Sync-To, and follows no redirect.
 */
import { createHash } from 'node:crypto';
import { isFault } from '../../fabric/errors.ts';
import type { HttpAnswer, HttpCall, HttpClient } from '../../fabric/net-http.ts';
import type { Random } from '../../fabric/random.ts';
import { type Stamp, stampFromSwift, stampTicks, stampToSwift } from '../../fabric/stamp.ts';
import type { Body, ObjectInfo } from '../object/contract.ts';
import { MANIFEST_HEADER } from '../object/dynamic.ts';
import { LINK_HEADER } from '../object/links.ts';
import type { SyncOutcome, SyncTarget } from '../object/sync-turn.ts';
import { readSyncTo, type SyncAddress, type SyncOptions } from '../sync-realms.ts';
import { signSync } from '../sync-signature.ts';
import { encodeName } from './names.ts';
import { writeSegments } from './slo-synced.ts';

const NONCE_BYTES = 16;
const MD5 = /^[0-9a-f]{32}$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;
/** About this object and no other; anything else that is no success is about the container, or the whole target. */
const REFUSED: readonly number[] = [400, 411, 412, 413, 414, 422];

export interface SenderWorld {
  readonly http: HttpClient;
  readonly random: Random;
  readonly options: SyncOptions;
}

/** Undefined where the container names what it may not. */
export function openSyncTarget(world: SenderWorld, to: string, key: string): SyncTarget | undefined {
  const read = readSyncTo(to, world.options);
  if (!read || 'error' in read || (!world.options.fullUrls && !read.address.realm)) return undefined;
  return new Target(world, read.address, key);
}

interface Asked {
  readonly name: string;
  readonly at: Stamp;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpCall['body'];
}

class Target implements SyncTarget {
  readonly #world: SenderWorld;
  readonly #address: SyncAddress;
  readonly #key: string;

  constructor(world: SenderWorld, address: SyncAddress, key: string) {
    this.#world = world;
    this.#address = address;
    this.#key = key;
  }

  async remove(name: string, at: Stamp): Promise<SyncOutcome> {
    const { status } = await this.#ask('DELETE', { name, at });
    // It was not there, or is newer there.
    return status === 404 || status === 409 ? 'done' : outcomeOf(status);
  }

  async put(name: string, info: ObjectInfo, open: (() => Body) | undefined): Promise<SyncOutcome> {
    const at = info.stamp;
    const query = info.headers[LINK_HEADER] ? 'symlink=get' : isManifest(info) ? 'multipart-manifest=get' : '';
    const held = await this.#ask('HEAD', { name, at, query });
    if (held.status !== 404 && held.status !== 200) return outcomeOf(held.status);
    const there = held.status === 200 && stampFromSwift(held.headers['x-timestamp'] ?? '');
    if (there && stampTicks(there) >= stampTicks(at)) return 'done';
    let isBroken = false;
    const content = contentOf(info, open, () => {
      isBroken = true;
    });
    if (!isSendable(content.headers)) return 'refused';
    try {
      return outcomeOf((await this.#ask('PUT', { name, at, ...content })).status);
    } catch (error) {
      // It is our own bytes that cannot be had.
      if (isBroken && isFault(error)) return 'refused';
      throw error;
    }
  }

  #ask(method: string, { name, at, query = '', headers = {}, body }: Asked): Promise<HttpAnswer> {
    const { origin, path: base, realm } = this.#address;
    const path = `${base}/${encodeName(name)}`;
    const timestamp = stampToSwift(at);
    return this.#world.http.call({
      method,
      url: origin,
      path: query === '' ? path : `${path}?${query}`,
      headers: { ...headers, 'X-Timestamp': timestamp, ...this.#proof({ method, path, timestamp, realm }) },
      ...(body !== undefined && { body }),
    });
  }

  #proof(asked: {
    method: string;
    path: string;
    timestamp: string;
    realm: SyncAddress['realm'];
  }): Record<string, string> {
    const { realm, ...request } = asked;
    if (!realm) return { 'X-Container-Sync-Key': this.#key };
    const nonce = this.#world.random.bytes(NONCE_BYTES).toString('hex');
    const signature = signSync({ ...request, nonce }, { realm: realm.key, user: this.#key });
    return { 'X-Container-Sync-Auth': `${realm.name} ${nonce} ${signature}` };
  }
}

function outcomeOf(status: number): SyncOutcome {
  if (status >= 200 && status < 300) return 'done';
  return REFUSED.includes(status) ? 'refused' : 'later';
}

const isManifest = ({ slo, headers }: ObjectInfo): boolean =>
  slo !== undefined || headers[MANIFEST_HEADER] !== undefined;

interface Content extends Pick<Asked, 'query' | 'body'> {
  readonly headers: Readonly<Record<string, string>>;
}

/** Some of what S3's listener lets in cannot be said in a head. */
function isSendable(headers: Content['headers']): boolean {
  return Object.entries(headers).every(([name, value]) => TOKEN.test(name) && TEXT.test(value));
}

function contentOf(info: ObjectInfo, open: (() => Body) | undefined, onBroken: () => void): Content {
  const headers = headersOf(info);
  if (!open) {
    const body = writeSegments(info.slo ?? []);
    headers['ETag'] = createHash('md5').update(body).digest('hex');
    headers['X-Static-Large-Object'] = 'True';
    return { headers, body, query: 'multipart-manifest=put' };
  }
  // Of an upload in parts, or where the key manager's keys are used, it is no MD5.
  if (MD5.test(info.etag) && info.encryption?.mode !== 'aws:kms') headers['ETag'] = info.etag;
  headers['Content-Length'] = String(info.sizeBytes);
  return { headers, body: info.sizeBytes === 0 ? '' : piecesOf(open(), onBroken) };
}

function headersOf({ contentType, user, headers, deleteAt }: ObjectInfo): Record<string, string> {
  const all: Record<string, string> = { 'Content-Type': contentType };
  for (const name in user) all[`X-Object-Meta-${name}`] = user[name] as string;
  // What S3 keeps there means nothing to Swift.
  for (const name in headers) if (!name.startsWith('x-amz-')) all[name] = headers[name] as string;
  if (deleteAt !== undefined) all['X-Delete-At'] = String(deleteAt);
  return all;
}

async function* piecesOf(body: Body, onBroken: () => void): AsyncGenerator<Uint8Array> {
  const next = (): Promise<Uint8Array | undefined> =>
    body.next().catch((error: unknown): never => {
      onBroken();
      throw error;
    });
  try {
    for (let piece = await next(); piece !== undefined; piece = await next()) yield piece;
  } finally {
    body.cancel();
  }
}
