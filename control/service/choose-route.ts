/** From the routes at a path to the one that is meant: by method, microversion and the action in the body. Faults say which failed. */
import { Fault } from '../../fabric/errors.ts';
import { apiFaults } from './faults.ts';
import type { Microversion } from './microversion.ts';
import type { Found } from './router.ts';
import type { Schema } from './schema.ts';
import type { Method, Route, VersionedSchema } from './types.ts';

/** Fault NotFound or MethodNotAllowed with `allow`. */
export function routesFor(found: Found | undefined, method: string): readonly Route[] {
  if (found === undefined) throw new Fault(apiFaults.notFound);
  const routes = found.routes.get(method as Method);
  if (routes) return routes;
  throw new Fault(apiFaults.methodNotAllowed, { allow: [...found.routes.keys()].sort() });
}

/** In a version where it does not exist, an operation is not found. */
export function atVersion(routes: readonly Route[], version: Microversion): readonly Route[] {
  const there = routes.filter(({ min, max }) => version.within(min, max));
  if (there.length > 0) return there;
  const message = `API version ${version} is not supported on this method.`;
  throw new Fault(apiFaults.notFound, {}, message);
}

/** By the one key of the body, where routes are told apart by it. An action that `all` have at another version is not found. */
export function byAction(routes: readonly Route[], body: unknown, all: readonly Route[] = routes): Route {
  const only = routes[0] as Route;
  if (only.action === undefined) return only;
  const keys = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : [];
  if (keys.length !== 1) throw new Fault(apiFaults.badRequest, {}, 'Malformed request body');
  const route = routes.find(({ action }) => action === keys[0]);
  if (route) return route;
  if (all.some(({ action }) => action === keys[0])) throw new Fault(apiFaults.notFound);
  const name = String(keys[0]).slice(0, 64);
  const hint = 'Verify the request body and Content-Type header and try again.';
  throw new Fault(apiFaults.badRequest, {}, `There is no such action: ${name}. ${hint}`);
}

export function schemaAt(body: Route['body'], version: Microversion): Schema<unknown> | undefined {
  if (body === undefined || !Array.isArray(body)) return body as Schema<unknown> | undefined;
  const fitting = (body as VersionedSchema<unknown>[]).find(({ min, max }) => version.within(min, max));
  return fitting?.schema;
}

export const readsBody = ({ body, action }: Route): boolean => body !== undefined || action !== undefined;
