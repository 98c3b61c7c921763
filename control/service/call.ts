/** The call as an operation sees it (types.ts), and what the frame learns on the way. Checks rights, decides nothing else. */
import { Fault } from '../../fabric/errors.ts';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import type { Credentials } from '../contract.ts';
import type { PolicyTarget } from '../policy/contract.ts';
import { apiFaults } from './faults.ts';
import { type Microversion, NO_VERSION } from './microversion.ts';
import { Query } from './query.ts';
import type { Call, Route, ServiceOptions } from './types.ts';

export type Params = Readonly<Record<string, string>>;

const NO_PARAMS: Params = {};
const HOST = /^[\w.:[\]-]{1,255}$/;

export class ServiceCall implements Call<Params, unknown> {
  readonly request: HttpRequest;
  readonly requestId: string;
  readonly globalRequestId: string | undefined;
  readonly token: string | undefined;
  readonly notes: Record<string, unknown> = {};
  /** Undefined until one was chosen. */
  route: Route | undefined;
  params: Params = NO_PARAMS;
  body: unknown = undefined;
  version: Microversion = NO_VERSION;
  known: Credentials | undefined;
  readonly #options: ServiceOptions;
  #query: Query | undefined;

  constructor(request: HttpRequest, requestId: string, globalRequestId: string | undefined, options: ServiceOptions) {
    this.request = request;
    this.requestId = requestId;
    this.globalRequestId = globalRequestId;
    this.token = request.headers.get('x-auth-token');
    this.#options = options;
  }

  get path(): string {
    return this.request.path.slice(this.#options.prefix?.length ?? 0);
  }

  get operation(): string {
    return this.route?.name ?? '';
  }

  get query(): Query {
    this.#query ??= new Query(this.request.query);
    return this.#query;
  }

  get isAnonymous(): boolean {
    return this.known === undefined;
  }

  get credentials(): Credentials {
    if (this.known === undefined) throw new Fault(apiFaults.unauthorized);
    return this.known;
  }

  // Operations take these out of the call: they know whose they are.
  readonly allows = (rule: string, target: PolicyTarget = this.#ownTarget()): boolean =>
    this.#options.policy.allows(rule, this.known ?? NOBODY, target);

  readonly enforce = (rule: string, target?: PolicyTarget): void => {
    if (this.allows(rule, target)) return;
    throw new Fault(apiFaults.forbidden, { rule }, refusal(this.#options.style, rule));
  };

  readonly url = (path: string): string => {
    const { publicUrl, prefix = '' } = this.#options;
    if (publicUrl !== undefined) return publicUrl + path;
    const host = this.request.headers.get('host') ?? '';
    return `${this.request.tls ? 'https' : 'http'}://${HOST.test(host) ? host : 'localhost'}${prefix}${path}`;
  };

  readonly note = (fields: Readonly<Record<string, unknown>>): void => {
    Object.assign(this.notes, fields);
  };

  /** About the caller's own project, domain and user, unless the path names another. */
  #ownTarget(): PolicyTarget {
    const { projectId, domainId, userId } = this.known ?? NOBODY;
    return { project_id: projectId, domain_id: domainId, user_id: userId, ...this.params };
  }
}

const NOBODY: Credentials = { userId: '', roles: [] };

/** The services' own words, which command lines show. */
function refusal(style: ServiceOptions['style'], rule: string): string {
  if (style === 'keystone') return `You are not authorized to perform the requested action: ${rule}.`;
  return `Policy doesn't allow ${rule} to be performed.`;
}
