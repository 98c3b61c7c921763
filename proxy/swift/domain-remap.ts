/**
 * Hosts that name an account, and perhaps a container, in front of a domain of the operator's: their requests are answered
 * as if the path said so (domain_remap); other hosts may lead there by CNAME records (cname_lookup).
 * https://docs.openstack.org/swift/latest/middleware.html#domain-remap
 */

import type { HttpBody, HttpRequest } from '../../fabric/http/contract.ts';
import { isIP } from '../../fabric/ip-range.ts';
import type { SwiftOptions } from '../swift-options.ts';

const PATH_ROOT = 'v1/';
const RESELLER_PREFIXES = ['AUTH', 'SERVICE'];
const CACHED_MAX = 1000;
const CACHED_MS = 60_000;

export interface RemapWorld {
  readonly options: SwiftOptions;
  readonly clock: { nowMs(): number };
  /** The name that `host` stands for; undefined when it has no such record. Throws when nobody knows. */
  readonly lookUpCname: ((host: string) => Promise<string | undefined>) | undefined;
}

/** The request as its host means it; 'bad' for a host that cannot be; undefined when the host says nothing. */
export type Remap = (request: HttpRequest) => Promise<HttpRequest | 'bad' | undefined>;

export function createRemap(world: RemapWorld): Remap | undefined {
  const { options } = world;
  if (options.storageDomains.length === 0) return undefined;
  const domains = options.storageDomains.map((domain) => `.${domain.replace(/^\./, '').toLowerCase()}`);
  const lookUp = options.cnameDepth > 0 && world.lookUpCname ? createLookUp(world, domains) : undefined;
  return async (request) => {
    const given = hostOf(request);
    const isOurs = given === undefined || domains.some((domain) => `.${given}`.toLowerCase().endsWith(domain));
    const host = isOurs || !lookUp || isIP(given) ? given : await lookUp(given);
    if (given !== undefined && host === undefined) return 'bad';
    return host === undefined ? undefined : remap(request, { host, domains, options });
  };
}

/** Without its port. */
function hostOf({ headers }: HttpRequest): string | undefined {
  return headers
    .get('host')
    ?.replace(/:\d*$/, '')
    .replace(/^\[|\]$/g, '');
}

interface Remapped {
  readonly host: string;
  readonly domains: readonly string[];
  readonly options: SwiftOptions;
}

function remap(request: HttpRequest, { host, domains, options }: Remapped): HttpRequest | 'bad' | undefined {
  const domain = domains.find((each) => host.toLowerCase().endsWith(each));
  if (domain === undefined) return undefined;
  const parts = host
    .slice(0, -domain.length)
    .replace(/^\.+|\.+$/g, '')
    .split('.');
  if (parts.length > 2) return 'bad';
  const account = accountOf(parts.at(-1) as string, options.defaultResellerPrefix);
  if (account === undefined) return undefined;
  const container = parts.length === 2 ? `/${parts[0]}` : '';
  const path = request.path.slice(1);
  const rest = path.startsWith(PATH_ROOT) ? path.slice(PATH_ROOT.length) : path;
  return new RemappedRequest(request, `/${PATH_ROOT}${account}${container}/${rest}`.replace(/^(\/v1\/[^/]+)\/$/, '$1'));
}

/** Hosts have no underscores and no case. */
function accountOf(name: string, defaultPrefix: string | undefined): string | undefined {
  const account = name.includes('_') ? name : name.replace('-', '_');
  const [start = ''] = account.split('_', 1);
  const prefix = RESELLER_PREFIXES.find((each) => each.toLowerCase() === start.toLowerCase());
  if (prefix !== undefined && account.includes('_')) return prefix + account.slice(start.length);
  return defaultPrefix === undefined ? undefined : `${defaultPrefix}_${account}`;
}

/** Follows records until one ends in a domain of ours; what was found is kept for a while. */
function createLookUp({ options, clock, lookUpCname }: RemapWorld, domains: readonly string[]) {
  const cache = new Map<string, { host: string | undefined; untilMs: number }>();
  return async (asked: string): Promise<string | undefined> => {
    const given = asked.toLowerCase();
    const known = cache.get(given);
    if (known && clock.nowMs() < known.untilMs) return known.host;
    let host: string | undefined = given;
    for (let depth = 0; host !== undefined && depth < options.cnameDepth; depth++) {
      host = (await lookUpCname?.(host))?.replace(/\.$/, '');
      const found = host;
      if (found !== undefined && domains.some((domain) => found.endsWith(domain))) break;
    }
    const ours = host !== undefined && domains.some((domain) => (host as string).endsWith(domain)) ? host : undefined;
    cache.delete(given);
    cache.set(given, { host: ours, untilMs: clock.nowMs() + CACHED_MS });
    if (cache.size > CACHED_MAX) cache.delete(cache.keys().next().value as string);
    return ours;
  };
}

/** The same request under another path. */
export class RemappedRequest implements HttpRequest {
  readonly path: string;
  readonly #request: HttpRequest;

  constructor(request: HttpRequest, path: string) {
    this.#request = request;
    this.path = path;
  }

  /** As the client knows it. */
  get pathSent(): string {
    return this.#request.path;
  }

  get method(): string {
    return this.#request.method;
  }

  get query(): string | undefined {
    return this.#request.query;
  }

  get headers(): ReadonlyMap<string, string> {
    return this.#request.headers;
  }

  get body(): HttpBody {
    return this.#request.body;
  }

  get remoteAddress(): string {
    return this.#request.remoteAddress;
  }

  get tls(): boolean {
    return this.#request.tls;
  }

  get altersHeaders(): boolean {
    return this.#request.altersHeaders === true;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }

  headerLines(): readonly string[] {
    return this.#request.headerLines();
  }
}
