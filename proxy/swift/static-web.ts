/**
 * Static web sites: what a container's X-Container-Meta-Web-* headers make of a GET by a visitor without a token (or by
 * anybody with X-Web-Mode): index files, listings as HTML, error pages, redirects to the slash. Gives nobody a right: each
 * object and each listing is read as the visitor.
 * https://docs.openstack.org/swift/latest/middleware.html#static-web
 */

import type { Metadata } from '../../account-container/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import type { HttpBodyStream } from '../../fabric/http/contract.ts';
import type { SwiftCall } from './call.ts';
import { RemappedRequest } from './domain-remap.ts';
import { errorResponse, reasonOf } from './errors.ts';
import { refuse, swiftFaults } from './faults.ts';
import { LISTING_LIMIT_MAX } from './listing-query.ts';
import { objectHeaders } from './object-headers.ts';
import type { SwiftResponse } from './response.ts';
import { isTrue } from './true-value.ts';
import { listingPage, noListingPage, type Site } from './web-listing.ts';

const HTML = 'text/html; charset=UTF-8';
const HOST = /^[A-Za-z0-9._~:[\]-]{1,255}$/;
const DIRECTORY_TYPE = 'application/directory';

type Run = () => Promise<SwiftResponse> | SwiftResponse;

/** Whether the request may be one to a web site at all. */
export function mayBeVisit(call: SwiftCall): boolean {
  const { method, headers } = call.http;
  if ((method !== 'GET' && method !== 'HEAD') || call.container === '') return false;
  return call.caller.user === undefined || isTrue(headers.get('x-web-mode'));
}

/** `run` answers the request as it is. */
export async function visit(call: SwiftCall, run: Run): Promise<SwiftResponse> {
  const { container } = await call.world.store.peek(call.containerRef);
  const site = container && siteOf(container);
  if (!site) return run();
  return new Visit(call, site, run).answer();
}

function siteOf(metadata: Metadata): Site | undefined {
  const read = (name: string): string => {
    const value = metadata[`x-container-meta-web-${name}`] ?? '';
    return Buffer.from(value, 'latin1').toString('utf8').trim();
  };
  const site = { index: read('index'), error: read('error'), listings: read('listings') };
  const directoryType = read('directory-type');
  if (Object.values(site).every((value) => value === '') && directoryType === '') return undefined;
  return { ...site, label: read('listings-label'), css: read('listings-css'), directoryType };
}

class Visit {
  readonly #call: SwiftCall;
  readonly #site: Site;
  readonly #run: Run;
  /** As asked for. */
  readonly #object: string;

  constructor(call: SwiftCall, site: Site, run: Run) {
    this.#call = call;
    this.#site = site;
    this.#run = run;
    this.#object = call.object;
  }

  answer(): Promise<SwiftResponse> {
    return this.#object === '' ? this.#answerContainer() : this.#answerObject();
  }

  get #hasPages(): boolean {
    return this.#site.listings !== '' || this.#site.index !== '';
  }

  async #answerContainer(): Promise<SwiftResponse> {
    const call = this.#call;
    if (!this.#hasPages) {
      if (isTrue(call.header('x-web-mode'))) throw refuse(swiftFaults.notFound);
      return this.#withErrorPage(await this.#try(this.#run));
    }
    if (!call.http.path.endsWith('/')) {
      // Nobody learns of a container that he may not read.
      const allowed = await this.#try(() => this.#page(''));
      return allowed.status === 401 || allowed.status === 403 ? this.#withErrorPage(allowed) : this.#redirect();
    }
    if (this.#site.index === '') return this.#list('');
    const index = await this.#read(this.#site.index);
    if (index.status === 404) return this.#list('');
    return index.status < 400 ? index : this.#withErrorPage(index);
  }

  async #answerObject(): Promise<SwiftResponse> {
    const found = await this.#read(this.#object);
    if (found.status < 400 && !this.#isDirectory(found)) return found;
    if (found.status >= 400 && found.status !== 404) return found;
    if (!this.#hasPages) return found.status === 404 ? this.#withErrorPage(found) : found;
    drop(found);
    const hasSlash = this.#object.endsWith('/');
    const { index } = this.#site;
    if (index !== '') {
      const page = await this.#read(`${this.#object}${hasSlash ? '' : '/'}${index}`);
      if (page.status < 400 && hasSlash) return page;
      drop(page);
      if (page.status < 400) return this.#redirect();
      if (page.status !== 404) return this.#withErrorPage(page);
    }
    if (hasSlash) return this.#list(this.#object);
    const below = await this.#try(() => this.#page(`${this.#object}/`, 1));
    return below.status === 200 ? this.#redirect() : this.#withErrorPage(this.#notFound());
  }

  /** Small objects of a type of their own stand for directories. */
  #isDirectory({ headers, lengthBytes, body }: SwiftResponse): boolean {
    const type = headerOf(headers, 'Content-Type');
    const bytes = lengthBytes ?? (typeof body === 'string' || body instanceof Uint8Array ? body.length : 0);
    return type === (this.#site.directoryType || DIRECTORY_TYPE) && bytes <= 1;
  }

  /** The request, made for another object of the container. */
  #read(object: string): Promise<SwiftResponse> {
    return this.#try(async () => {
      this.#call.object = object;
      try {
        return await this.#run();
      } finally {
        this.#call.object = this.#object;
      }
    });
  }

  async #try(run: Run): Promise<SwiftResponse> {
    try {
      return await run();
    } catch (error) {
      const answer = isFault(error) ? errorResponse(error, this.#call) : undefined;
      if (answer === undefined || answer.status >= 499) throw error;
      return answer;
    }
  }

  async #list(prefix: string): Promise<SwiftResponse> {
    if (!isTrue(this.#site.listings)) {
      const body = noListingPage({ site: this.#site, path: this.#path, prefix });
      return this.#withErrorPage({ ...this.#notFound(), headers: ['Content-Type', HTML], body });
    }
    const answer = await this.#try(() => this.#page(prefix));
    return answer.status === 200 ? answer : this.#withErrorPage(answer);
  }

  async #page(prefix: string, limit = LISTING_LIMIT_MAX): Promise<SwiftResponse> {
    const { store } = this.#call.world;
    const { entries } = await store.listObjects(this.#call, this.#call.containerRef, { prefix, delimiter: '/', limit });
    if (prefix !== '' && entries.length === 0) return this.#notFound();
    const body = listingPage({ site: this.#site, path: this.#path, prefix }, entries);
    return { status: 200, headers: ['Content-Type', HTML], body };
  }

  /** Decoded, as it was asked for. */
  get #path(): string {
    const { account, container } = this.#call;
    const slash = this.#object !== '' || this.#call.http.path.endsWith('/') ? '/' : '';
    return `/v1/${account}/${container}${slash}${this.#object}`;
  }

  #notFound(): SwiftResponse {
    return errorResponse(refuse(swiftFaults.notFound), this.#call);
  }

  /** The site's own page for this status, where it has one. */
  async #withErrorPage(answer: SwiftResponse): Promise<SwiftResponse> {
    const { error } = this.#site;
    if (error === '' || answer.status < 400) return answer;
    const ref = { ...this.#call.containerRef, object: `${answer.status}${error}` };
    try {
      const { info, open } = await this.#call.world.store.getObject(this.#call, ref);
      const body = open(0, info.sizeBytes);
      const sent = { headers: objectHeaders(info), body: body.bytes ?? body, lengthBytes: info.sizeBytes };
      return { status: answer.status, reason: reasonOf(answer.status), ...sent };
    } catch (fault) {
      if (!isFault(fault)) throw fault;
      return answer;
    }
  }

  #redirect(): SwiftResponse {
    const call = this.#call;
    const host = call.header('host') ?? '';
    const sent = call.http instanceof RemappedRequest ? call.http.pathSent : call.http.path;
    const path = `${sent.replace(/[^\x21-\x7e]/g, percent)}/`;
    const start = HOST.test(host) ? `${call.http.tls ? 'https' : 'http'}://${host}` : '';
    return { status: 301, reason: 'Moved Permanently', headers: ['Content-Type', HTML, 'Location', start + path] };
  }
}

const percent = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

function headerOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((header, i) => i % 2 === 0 && header === name);
  return at < 0 ? undefined : headers[at + 1];
}

/** Nobody will read it. */
function drop({ body }: SwiftResponse): void {
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array))
    (body as HttpBodyStream).cancel();
}
