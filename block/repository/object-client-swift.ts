/**
 * The object store through Swift's public API: tokens, retries with back-off, conditional writes settled, listings proven.
 * Swift rather than S3, because its listings carry 10,000 names, its conditional PUT and DELETE are what the repository needs,
 * a token costs nothing a request while SigV4 hashes every body, and the service has a token of its own user anyway.
 *
 * Every request may arrive twice or late. That is harmless: content is named by what it is, names are never used again, and
 * everything that changes does so under an ETag.
 */
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { HttpAnswer, HttpClient } from '../../fabric/net-http.ts';
import type { Random } from '../../fabric/random.ts';
import { repositoryFaults } from './faults.ts';
import type { ListedObject, ListOptions, ObjectClient, PutCondition, StoredObject } from './object-client.ts';
import type { SwiftAccess, SwiftLogin } from './swift-login.ts';

const ATTEMPTS_MAX = 7;
const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 5_000;
const PAGE_NAMES = 10_000;
const LOGINS_MAX = 3;
/** Answers to a condition that does not hold: 404 when an ETag was asked for and nothing is there. */
const CHANGED: ReadonlySet<number> = new Set([404, 409, 412]);

export interface SwiftClientOptions {
  readonly http: HttpClient;
  readonly login: SwiftLogin;
  /** Made by `createContainer`. */
  readonly container: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly attemptsMax?: number;
}

interface Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Below the container, with its query; empty for the container itself. */
  readonly place: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

interface Outcome extends HttpAnswer {
  /** An earlier attempt went unanswered or failed: it may have taken effect. */
  readonly uncertain: boolean;
}

export class SwiftObjectClient implements ObjectClient {
  readonly #options: SwiftClientOptions;
  #access: Promise<SwiftAccess> | undefined;

  constructor(options: SwiftClientOptions) {
    this.#options = options;
  }

  /** Harmless when it is there. */
  async createContainer(): Promise<void> {
    const answer = await this.#ask({ method: 'PUT', place: '' });
    if (answer.status !== 201 && answer.status !== 202) throw refused(answer, 'PUT', this.#options.container);
  }

  async put(name: string, body: Uint8Array, condition?: PutCondition): Promise<{ readonly etag: string }> {
    const headers = { 'content-type': 'application/octet-stream', ...conditionHeaders(condition) };
    const answer = await this.#ask({ method: 'PUT', place: `/${name}`, headers, body });
    if (answer.status === 201) return { etag: etagOf(answer) };
    if (condition === undefined || !CHANGED.has(answer.status)) throw refused(answer, 'PUT', name);
    const settled = answer.uncertain ? await this.#written(name, body) : undefined;
    if (settled === undefined) throw new Fault(repositoryFaults.preconditionFailed, { name });
    return settled;
  }

  async get(name: string, range?: { readonly offset: number; readonly length: number }): Promise<StoredObject> {
    const headers = range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {};
    const answer = await this.#ask({ method: 'GET', place: `/${name}`, headers });
    if (answer.status === 404) throw new Fault(repositoryFaults.noSuchObject, { name });
    if (answer.status !== (range ? 206 : 200)) throw refused(answer, 'GET', name);
    return { body: answer.body, etag: etagOf(answer) };
  }

  async head(name: string): Promise<{ readonly bytes: number; readonly etag: string } | undefined> {
    const answer = await this.#ask({ method: 'HEAD', place: `/${name}` });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refused(answer, 'HEAD', name);
    return { bytes: Number(answer.headers['content-length']), etag: etagOf(answer) };
  }

  async delete(name: string, condition?: { readonly etag: string }): Promise<boolean> {
    const answer = await this.#ask({ method: 'DELETE', place: `/${name}`, headers: conditionHeaders(condition) });
    if (answer.status === 204) return true;
    if (answer.status === 404 && (condition === undefined || answer.uncertain)) return answer.uncertain;
    if (condition !== undefined && CHANGED.has(answer.status))
      throw new Fault(repositoryFaults.preconditionFailed, { name });
    throw refused(answer, 'DELETE', name);
  }

  async *list({ prefix, marker = '', endMarker, pageNames = PAGE_NAMES }: ListOptions): AsyncGenerator<ListedObject> {
    let after = marker;
    // A short page proves nothing: only an empty one is the end.
    for (;;) {
      const end = endMarker === undefined ? {} : { end_marker: endMarker };
      const query = new URLSearchParams({ format: 'json', limit: String(pageNames), prefix, marker: after, ...end });
      const answer = await this.#ask({ method: 'GET', place: `?${query}` });
      if (answer.status !== 200) throw refused(answer, 'GET', `?${query}`);
      const page = parsePage(answer.body, { prefix, after, endMarker });
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.name;
      yield* page;
    }
  }

  /** Whether an attempt without an answer was the one that counted. */
  async #written(name: string, body: Uint8Array): Promise<{ readonly etag: string } | undefined> {
    try {
      const there = await this.get(name);
      return there.body.equals(body) ? { etag: there.etag } : undefined;
    } catch (error) {
      if (isFault(error, repositoryFaults.noSuchObject)) return undefined;
      throw error;
    }
  }

  /** An answer that is not the server's trouble. Fault ObjectStoreUnavailable when there is none after all attempts. */
  async #ask(ask: Ask): Promise<Outcome> {
    const { clock, random, attemptsMax = ATTEMPTS_MAX } = this.#options;
    let uncertain = false;
    let logins = 0;
    let reason = '';
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(ask).catch((error) => {
        if (!isFault(error) || error.code === repositoryFaults.storeRefused) throw error;
        reason = String(error.details['reason'] ?? error.code);
        return undefined;
      });
      if (answer?.status === 401 && logins++ < LOGINS_MAX) {
        this.#access = undefined;
        continue;
      }
      if (answer !== undefined && !isTransient(answer.status)) return { ...answer, uncertain };
      if (answer !== undefined) reason = `status ${answer.status}`;
      uncertain = true;
      if (attempt >= attemptsMax) throw new Fault(repositoryFaults.storeUnavailable, { reason, name: ask.place });
      const backoffMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt);
      await clock.sleep(backoffMs / 2 + random.below(backoffMs / 2));
    }
  }

  async #once({ method, place, headers, body }: Ask): Promise<HttpAnswer> {
    const { http, container } = this.#options;
    const { storageUrl, token } = await this.#login();
    const url = `${storageUrl}/${encodeURIComponent(container)}${place}`;
    return await http.call({
      ...{ method, url, headers: { ...headers, 'x-auth-token': token } },
      ...(body === undefined ? {} : { body }),
    });
  }

  #login(): Promise<SwiftAccess> {
    const access = this.#access ?? this.#options.login();
    this.#access = access;
    access.catch(() => {
      if (this.#access === access) this.#access = undefined;
    });
    return access;
  }
}

function conditionHeaders(condition: PutCondition | undefined): Record<string, string> {
  if (condition === undefined) return {};
  return condition === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${condition.etag}"` };
}

const isTransient = (status: number): boolean => status >= 500 || status === 408 || status === 429;

const etagOf = ({ headers }: HttpAnswer): string => (headers['etag'] ?? '').replaceAll('"', '');

function refused({ status, body }: HttpAnswer, method: string, name: string): Fault {
  const reason = `${status} ${body.toString('utf8', 0, 200)}`.trim();
  return new Fault(repositoryFaults.storeRefused, { method, name, reason });
}

function parsePage(
  body: Buffer,
  { prefix, after, endMarker }: { prefix: string; after: string; endMarker: string | undefined },
): ListedObject[] {
  const page = JSON.parse(body.toString()) as readonly { readonly name?: string; readonly bytes?: number }[];
  let last = after;
  return page.map(({ name, bytes }) => {
    const fits = typeof name === 'string' && typeof bytes === 'number' && name.startsWith(prefix) && name > last;
    if (!fits || (endMarker !== undefined && name >= endMarker))
      throw new Fault(repositoryFaults.listingIncomplete, { reason: 'names out of order', name });
    last = name;
    return { name, bytes };
  });
}
