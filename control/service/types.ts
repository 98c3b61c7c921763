/**
 * What a service is made of: routes, and the call that an operation gets. Types only; `createService` (create-service.ts)
 * turns them into an HttpHandler.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { HttpHandler, HttpRequest } from '../../fabric/http/contract.ts';
import type { Random } from '../../fabric/random.ts';
import type { AuditLog } from '../audit.ts';
import type { Authenticate, Credentials } from '../contract.ts';
import type { Policy, PolicyTarget } from '../policy/contract.ts';
import type { FaultStyle, FaultTable } from './faults.ts';
import type { Microversion } from './microversion.ts';
import type { Query } from './query.ts';
import type { Schema } from './schema.ts';
import type { VersionsSpec } from './versions.ts';

/** `{name}` parts of a path template, each one segment, percent-decoded. */
export type ParamsOf<P extends string> = P extends `${string}{${infer Name}}${infer Rest}`
  ? { readonly [K in Name]: string } & ParamsOf<Rest>
  : unknown;

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Who must be known: a valid token (401 without); one if it is sent (401 if that is invalid); nobody. */
export type RouteAuth = 'token' | 'optional' | 'none';

export interface Call<Params = unknown, Body = unknown> {
  readonly request: HttpRequest;
  /** `req-<uuid>`. */
  readonly requestId: string;
  /** The caller's own `req-<uuid>`, to hand on to other services. */
  readonly globalRequestId: string | undefined;
  /** Of the operation. */
  readonly operation: string;
  /** Of the request, below the service's mount point: `url(path)` is the request's own address. */
  readonly path: string;
  readonly params: Params;
  readonly query: Query;
  /** Checked by the route's schema; undefined without one. */
  readonly body: Body;
  /** As negotiated; 0.0 for services without microversions. */
  readonly version: Microversion;
  /** Fault Unauthorized where nobody is known; ask `isAnonymous` first where the route lets them in. */
  readonly credentials: Credentials;
  readonly isAnonymous: boolean;
  /** X-Auth-Token as sent. Never log it. */
  readonly token: string | undefined;
  /** Fault Forbidden unless the policy's rule allows it. */
  readonly enforce: (rule: string, target?: PolicyTarget) => void;
  readonly allows: (rule: string, target?: PolicyTarget) => boolean;
  /** Absolute, by the configured public address or else the Host header; `path` begins with a slash. */
  readonly url: (path: string) => string;
  /** More for the line in the audit log, e.g. `{ volume_id }`. Never secrets. */
  readonly note: (fields: Readonly<Record<string, unknown>>) => void;
}

export interface Answer {
  /** Instead of the route's. */
  readonly status?: number;
  /** Sent as JSON; nothing when undefined. */
  readonly body?: unknown;
  /** Sent as it is, with a Content-Type among `headers`. */
  readonly raw?: Uint8Array | string;
  /** [name, value, …]. */
  readonly headers?: readonly string[];
}

export interface VersionedSchema<B> {
  /** Both inclusive. */
  readonly min?: string;
  readonly max?: string;
  readonly schema: Schema<B>;
}

export interface RouteSpec<P extends string, B> {
  /** Of the operation, unique in the service, e.g. `volumes:create`: names it in documents and the audit log. */
  readonly name: string;
  readonly method: Method;
  /** e.g. `/v3/{project_id}/volumes/{volume_id}`; a literal segment wins over a parameter. */
  readonly path: P;
  /** The one key of the body that chooses among routes of the same path: `os-extend` of `POST …/action`. */
  readonly action?: string;
  /** First and last microversion, inclusive; outside of them the operation does not exist (404). */
  readonly min?: string;
  readonly max?: string;
  /** Of success; 200, and 204 where the answer has no body. */
  readonly status?: number;
  /** Without it the body is not read. Several: by microversion. */
  readonly body?: Schema<B> | readonly VersionedSchema<B>[];
  /** Of an object of strings (arrays where a name is repeated). Without it any query is taken. */
  readonly query?: Schema<unknown>;
  /** Rule asked before `run`, about `target` or else `{ project_id, user_id, domain_id }` of the caller over the path's parameters. */
  readonly policy?: string;
  readonly target?: (call: Call<ParamsOf<P>, B>) => Promise<PolicyTarget> | PolicyTarget;
  /** `token` when absent. */
  readonly auth?: RouteAuth;
  /** HEAD answers too, as GET without its body. */
  readonly head?: boolean;
  /** Whether it is written to the audit log; by default all but GET and HEAD. */
  readonly audit?: boolean;
  /** For documents. */
  readonly note?: string;
  run(call: Call<ParamsOf<P>, B>): Promise<Answer> | Answer;
}

/** A route whose types have been checked. */
export type Route = RouteSpec<string, unknown>;

/** Checks `run` against path and schema, then forgets them: `routes: [route({ … }), route({ … })]`. */
export function route<P extends string, B = undefined>(spec: RouteSpec<P, B>): Route {
  return spec as unknown as Route;
}

export interface ServiceOptions {
  /** As in `OpenStack-API-Version: <name> 3.44`, e.g. `volume`, `compute`, `identity`. */
  readonly name: string;
  readonly style: FaultStyle;
  readonly routes: readonly Route[];
  /** Added to the common ones, e.g. `{ VolumeBusy: { status: 400 } }`. */
  readonly faults?: FaultTable;
  /** Version documents and the range of microversions. */
  readonly versions?: VersionsSpec;
  readonly authenticate: Authenticate;
  readonly policy: Policy;
  /** For WWW-Authenticate, e.g. `http://host:5000`. */
  readonly identityUrl?: string;
  /** What clients reach this service by, without a slash at the end; else taken from the Host header. */
  readonly publicUrl?: string;
  /** Path under which the service is mounted, e.g. `/identity`. */
  readonly prefix?: string;
  /** Also carries the request id, e.g. `x-compute-request-id`. */
  readonly requestIdHeader?: string;
  /** Name of the path parameter that must equal the token's project (400 otherwise, admins too): Cinder's `project_id`. */
  readonly projectParam?: string;
  readonly bodyBytesMax?: number;
  readonly audit?: AuditLog;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of everything that became a 500. */
  readonly onError: (error: unknown, requestId: string) => void;
}

/** A row of the generated tables in docs/. */
export interface OperationRow {
  readonly name: string;
  readonly request: string;
  readonly status: number;
  readonly policy: string;
  readonly versions: string;
  readonly note: string;
}

export interface Service {
  readonly handler: HttpHandler;
  readonly operations: readonly OperationRow[];
}
