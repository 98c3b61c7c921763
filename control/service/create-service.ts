/**
 * A service's HttpHandler out of its table of routes. The order of checks, which clients and testers rely on: version documents,
 * token (401), path and method (404, 405), microversion (400, 406), body (413, 400), query, policy (403), then the operation.
 * Everything a request may do wrong ends here as a fault in the service's own style; nothing an operation throws gets past.
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import type { Credentials } from '../contract.ts';
import { ServiceCall } from './call.ts';
import { atVersion, byAction, readsBody, routesFor, schemaAt } from './choose-route.ts';
import { apiFaults } from './faults.ts';
import { askedVersion, checkRange, Microversion, readVersion, type VersionRange } from './microversion.ts';
import { decodePercent } from './query.ts';
import { BODY_BYTES_MAX, readJson } from './read-body.ts';
import { isRequestId, makeRequestId } from './request-id.ts';
import { refuse, respond } from './respond.ts';
import { type Found, paramNames, Router } from './router.ts';
import type { Answer, OperationRow, Route, Service, ServiceOptions } from './types.ts';
import { rootDocument, versionDocument } from './versions.ts';

export function createService(options: ServiceOptions): Service {
  checkRoutes(options);
  const frame = new Frame(options);
  return { handler: (request) => frame.handle(request), operations: options.routes.map(describeRoute) };
}

/** Routes of a path and method: at the version asked for, and at any. */
interface Candidates {
  readonly fitting: readonly Route[];
  readonly all: readonly Route[];
}

class Frame {
  readonly #options: ServiceOptions;
  readonly #router: Router;
  readonly #range: VersionRange | undefined;
  readonly #paramNames: ReadonlyMap<Route, readonly string[]>;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#router = new Router(options.routes);
    const spec = options.versions?.list.find(({ maxVersion }) => maxVersion !== undefined);
    if (spec?.minVersion !== undefined && spec.maxVersion !== undefined) {
      this.#range = { min: Microversion.of(spec.minVersion), max: Microversion.of(spec.maxVersion) };
    }
    this.#paramNames = new Map(options.routes.map((one) => [one, paramNames(one.path)]));
  }

  async handle(request: HttpRequest): Promise<HttpResponse> {
    const { random, onError } = this.#options;
    const inbound = request.headers.get('x-openstack-request-id');
    const globalId = inbound !== undefined && isRequestId(inbound) ? inbound : undefined;
    const call = new ServiceCall(request, makeRequestId(random), globalId, this.#options);
    try {
      const response = respond(call, await this.#answer(call), this.#options);
      this.#audit(call, response.status, undefined);
      return response;
    } catch (error) {
      const { response, code, isUnexpected } = refuse(call, error, this.#options);
      if (isUnexpected) onError(error, call.requestId);
      this.#audit(call, response.status, code);
      return response;
    }
  }

  async #answer(call: ServiceCall): Promise<Answer> {
    const path = this.#pathOf(call.request);
    const document = this.#document(call, path);
    // Cinder's documents are operations with a version like any other.
    if (document && this.#options.versions?.shape === 'cinder') this.#negotiate(call);
    if (document) return document;
    const found = path === undefined ? undefined : this.#router.find(path);
    await this.#authenticate(call, found);
    const routes = routesFor(found, call.request.method);
    this.#negotiate(call);
    const fitting = atVersion(routes, call.version);
    await this.#prepare(call, { fitting, all: routes }, (found as Found).values);
    const { route } = call as { route: Route };
    if (route.policy !== undefined) {
      if (route.target) call.enforce(route.policy, await route.target(call));
      else call.enforce(route.policy);
    }
    return route.run(call);
  }

  /** Below the mount point; undefined outside of it. */
  #pathOf({ path }: HttpRequest): string | undefined {
    const { prefix = '' } = this.#options;
    if (prefix === '') return path;
    return path === prefix || path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : undefined;
  }

  #document(call: ServiceCall, path: string | undefined): Answer | undefined {
    const { versions } = this.#options;
    const { method } = call.request;
    if (versions === undefined || path === undefined || (method !== 'GET' && method !== 'HEAD')) return undefined;
    const url = (at: string): string => call.url(at);
    if (path === '/' || path === '') return rootDocument(versions, url);
    const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
    const version = versions.list.find((one) => one.path === trimmed);
    return version && versionDocument(versions.shape, version, url);
  }

  async #authenticate(call: ServiceCall, found: Found | undefined): Promise<void> {
    const { style } = this.#options;
    const first = found?.routes.get(call.request.method as Route['method'])?.[0];
    // Behind its middleware a service says 401 before 404; Keystone itself does not.
    const auth = first ? (first.auth ?? 'token') : style === 'keystone' ? 'none' : 'token';
    if (auth === 'none' || (auth === 'optional' && call.token === undefined)) return;
    const known = call.token === undefined || call.token === '' ? undefined : await this.#ask(call.token);
    if (known === undefined) throw new Fault(apiFaults.unauthorized);
    call.known = await this.#withService(known, call.request.headers.get('x-service-token'));
  }

  async #withService(known: Credentials, serviceToken: string | undefined): Promise<Credentials> {
    if (serviceToken === undefined) return known;
    const service = await this.#ask(serviceToken);
    return service ? { ...known, serviceRoles: service.roles } : known;
  }

  /** Whatever keeps the authenticator from judging: nobody gets in. */
  async #ask(token: string): Promise<Credentials | undefined> {
    try {
      return await this.#options.authenticate(token);
    } catch (error) {
      if (error instanceof Fault && error.code === apiFaults.unauthorized) throw error;
      throw new Fault(apiFaults.unavailable, { cause: String(error) }, 'Tokens cannot be validated at this time.');
    }
  }

  /** The answer names the version that was asked for, even where it is refused. */
  #negotiate(call: ServiceCall): void {
    const { name, versions } = this.#options;
    const { headers } = call.request;
    if (this.#range === undefined) return;
    const legacy = versions?.legacyHeader && headers.get(versions.legacyHeader);
    call.version = readVersion(askedVersion(headers.get('openstack-api-version'), name) ?? legacy, this.#range);
    checkRange(call.version, this.#range);
  }

  /** Chooses the route and reads what it needs: parameters, body, query. */
  async #prepare(call: ServiceCall, { fitting, all }: Candidates, values: readonly string[]): Promise<void> {
    const { style, bodyBytesMax = BODY_BYTES_MAX, projectParam } = this.#options;
    const body = readsBody(fitting[0] as Route) ? await readJson(call.request, style, bodyBytesMax) : undefined;
    const route = byAction(fitting, body, all);
    call.route = route;
    const names = this.#paramNames.get(route) ?? [];
    call.params = Object.fromEntries(names.map((name, i) => [name, decodePercent(values[i] as string)]));
    const project = projectParam === undefined ? undefined : call.params[projectParam];
    if (project !== undefined && call.known && project !== call.known.projectId) {
      throw new Fault(apiFaults.badRequest, {}, 'Malformed request url');
    }
    const schema = schemaAt(route.body, call.version);
    if (schema) call.body = schema.check(body ?? {});
    else call.body = body;
    route.query?.check(call.query.toObject());
  }

  #audit(call: ServiceCall, status: number, fault: string | undefined): void {
    const { audit, clock, name } = this.#options;
    const { route, request, known } = call;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (audit === undefined || !(route?.audit ?? !isRead)) return;
    audit.write({
      time: new Date(clock.nowMs()).toISOString(),
      service: name,
      operation: call.operation,
      requestId: call.requestId,
      globalRequestId: call.globalRequestId,
      userId: known?.userId,
      projectId: known?.projectId,
      domainId: known?.domainId,
      systemScope: known?.systemScope,
      remoteAddress: request.remoteAddress,
      method: request.method,
      path: request.path,
      status,
      fault,
      target: { ...call.params, ...call.notes },
    });
  }
}

/** Mistakes in the table of routes show at the start. */
function checkRoutes({ routes, policy }: ServiceOptions): void {
  const names = new Set<string>();
  for (const one of routes) {
    assert(!names.has(one.name), `two operations are called ${one.name}`);
    names.add(one.name);
    assert(one.path.startsWith('/'), `the path of ${one.name} begins with a slash`);
    assert(one.policy === undefined || policy.has(one.policy), `${one.name} asks an unknown rule: ${one.policy}`);
    for (const version of [one.min, one.max]) if (version !== undefined) Microversion.of(version);
  }
}

function describeRoute(one: Route): OperationRow {
  const { name, method, path, action, status = 200, policy = '', min, max, note = '' } = one;
  const request = `${method} ${path}${action === undefined ? '' : ` ${action}`}`;
  const versions = min === undefined && max === undefined ? '' : `${min ?? ''}–${max ?? ''}`;
  return { name, request, status, policy, versions, note };
}
