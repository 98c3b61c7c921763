/**
 * A bucket served as a website, under `bucket.s3-website.DOMAIN`: index documents, an error document, redirects. Reads as
 * anybody may read, whoever asks: no signature counts here, and nothing is ever written.
 */
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { escapeXml } from '../../fabric/xml.ts';
import type { ProxyWorld } from '../contract.ts';
import { ANONYMOUS } from '../object/contract.ts';
import { decodeName } from './address.ts';
import type { S3Call } from './call.ts';
import { answerFor, type ErrorAnswer, s3Fault } from './errors.ts';
import { getObject } from './get-object.ts';
import { urlEncode } from './query.ts';
import { S3Scope } from './scope.ts';
import { websiteOf } from './website.ts';
import { type Redirect, replacedKey, ruleOf, type Website } from './website-rules.ts';

const LABEL = '.s3-website.';
const REDIRECT_HEADER = 'x-amz-website-redirect-location';

/** The bucket whose website the host names; undefined for any other host. `domains`: of buckets. */
export function websiteBucket(host: string | undefined, domains: readonly string[]): string | undefined {
  const at = host?.indexOf(LABEL) ?? -1;
  if (host === undefined || at < 1) return undefined;
  const name = host.toLowerCase().replace(/:\d*$/, '');
  const domain = name.slice(at + LABEL.length);
  return domains.includes(domain) || domains.includes(`s3.${domain}`) ? name.slice(0, at) : undefined;
}

export interface SiteRequest {
  readonly bucket: string;
  readonly requestId: string;
  readonly hostId: string;
}

/** Never throws what a visitor has asked for: every fault becomes a page. */
export async function serveWebsite(world: ProxyWorld, request: HttpRequest, site: SiteRequest): Promise<HttpResponse> {
  const visit = new Visit(world, request, site);
  try {
    return await visit.answer();
  } catch (error) {
    const answer = answerFor(error);
    if (answer.status >= 500) world.log.warn({ err: error, transId: site.requestId, path: request.path }, 'website');
    return visit.errorPage(answer);
  }
}

class Visit {
  readonly #world: ProxyWorld;
  readonly #request: HttpRequest;
  readonly #site: SiteRequest;

  constructor(world: ProxyWorld, request: HttpRequest, site: SiteRequest) {
    this.#world = world;
    this.#request = request;
    this.#site = site;
  }

  async answer(): Promise<HttpResponse> {
    const { method, path } = this.#request;
    if (method !== 'GET' && method !== 'HEAD') {
      throw s3Fault('MethodNotAllowed', '', { Method: method, ResourceType: 'OBJECT', AllowedMethods: 'GET, HEAD' });
    }
    const { bucket } = this.#site;
    const ref = await this.#world.store.resolveBucket({ transId: this.#site.requestId, caller: ANONYMOUS }, bucket);
    const website = websiteOf((await this.#world.store.peek(ref)).s3);
    if (website === undefined) throw s3Fault('NoSuchWebsiteConfiguration', '', { BucketName: bucket });
    const asked = decodeName(path.slice(1));
    if (website.redirectAll !== undefined) return this.#redirect(website.redirectAll, asked);
    const rule = ruleOf(website, asked, undefined);
    if (rule !== undefined) return this.#redirect(rule.redirect, replacedKey(rule, asked));
    return this.#page(website, asked);
  }

  async #page(website: Website, asked: string): Promise<HttpResponse> {
    const key = asked === '' || asked.endsWith('/') ? asked + website.index : asked;
    try {
      return this.#shown(await this.#read(key, this.#request));
    } catch (error) {
      const failed = answerFor(error);
      if (failed.status < 400) throw error;
      if (failed.code === 'NoSuchKey' && key === asked && (await this.#isFolder(website, asked))) {
        return this.#moved('302', `/${urlEncode(asked)}/`);
      }
      const rule = ruleOf(website, asked, failed.status);
      if (rule !== undefined) return this.#redirect(rule.redirect, replacedKey(rule, asked));
      return this.#errorDocument(website, withKey(failed, key));
    }
  }

  /** An object of its own may lead elsewhere. */
  #shown(response: HttpResponse): HttpResponse {
    const at = response.headers.indexOf(REDIRECT_HEADER);
    return at < 0 ? response : this.#moved('301', response.headers[at + 1] ?? '/', response);
  }

  async #isFolder({ index }: Website, asked: string): Promise<boolean> {
    try {
      cancel(await this.#read(`${asked}/${index}`, { ...this.#plain(), method: 'HEAD' }));
      return true;
    } catch {
      return false;
    }
  }

  async #errorDocument({ error }: Website, failed: ErrorAnswer): Promise<HttpResponse> {
    if (error === undefined) return this.errorPage(failed);
    try {
      const response = await this.#read(error, this.#plain());
      return { ...response, status: failed.status, headers: [...response.headers, ...errorHeaders(failed)] };
    } catch {
      return this.errorPage(failed);
    }
  }

  /** Without ranges and conditions: those are about the page that was asked for. */
  #plain(): HttpRequest {
    const { method, path, tls, signal, body, remoteAddress } = this.#request;
    const headers = new Map<string, string>();
    return { method, path, query: undefined, headers, headerLines: () => [], body, tls, signal, remoteAddress };
  }

  #read(key: string, request: HttpRequest): Promise<HttpResponse> {
    const world = this.#world;
    const { bucket, requestId } = this.#site;
    const query = new Map<string, string>();
    const scope = new S3Scope(request, query, world.clock);
    scope.operation = 'GetObject';
    scope.onlyListersMiss = false;
    const referer = this.#request.headers.get('referer');
    const context = { transId: requestId, caller: ANONYMOUS, referer, signal: request.signal, scope };
    const payload = { kind: 'unsigned' } as const;
    const auth = { caller: ANONYMOUS, user: undefined, payload, signedHeaders: new Set<string>() };
    const headers = this.#ids();
    const call: S3Call = { world, request, context, scope, auth, query, bucket, key, headers };
    return getObject(call);
  }

  #ids(): string[] {
    return ['x-amz-request-id', this.#site.requestId, 'x-amz-id-2', this.#site.hostId];
  }

  #redirect({ protocol, hostName, code }: Redirect, key: string): HttpResponse {
    const { tls, headers } = this.#request;
    const host = hostName ?? headers.get('host') ?? '';
    return this.#moved(code ?? '301', `${protocol ?? (tls ? 'https' : 'http')}://${host}/${urlEncode(key)}`);
  }

  /** `instead`: what was opened for nothing. */
  #moved(code: string, location: string, instead?: HttpResponse): HttpResponse {
    if (instead) cancel(instead);
    return { status: Number(code), headers: [...this.#ids(), 'Location', location] };
  }

  errorPage(answer: ErrorAnswer): HttpResponse {
    const title = `${answer.status} ${REASONS[answer.status] ?? 'Error'}`;
    const lines = [['Code', answer.code], ['Message', answer.message], ...Object.entries(answer.fields)];
    const more = [...lines, ['RequestId', this.#site.requestId], ['HostId', this.#site.hostId]];
    const list = more.map(([name = '', value = '']) => `<li>${name}: ${escapeXml(value)}</li>`).join('\n');
    const body = `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${list}\n</ul>\n<hr/>\n</body>\n</html>\n`;
    const headers = [...this.#ids(), ...errorHeaders(answer), 'Content-Type', 'text/html; charset=utf-8'];
    return { status: answer.status, headers, body };
  }
}

const REASONS: Readonly<Record<number, string>> = {
  304: 'Not Modified',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  412: 'Precondition Failed',
  416: 'Requested Range Not Satisfiable',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

function errorHeaders({ code, message }: ErrorAnswer): string[] {
  return ['x-amz-error-code', code, 'x-amz-error-message', message];
}

function withKey(answer: ErrorAnswer, key: string): ErrorAnswer {
  return answer.code === 'NoSuchKey' ? { ...answer, fields: { Key: key } } : answer;
}

/** A body that nobody will read. */
function cancel({ body }: HttpResponse): void {
  if (typeof body === 'object' && 'cancel' in body) body.cancel();
}
