/** The refusals of identity in Keystone's own words, which clients and their tests match on. Never says more than it does. */
import { Fault } from '../../fabric/errors.ts';
import { identityFaults } from './faults.ts';

export function notFound(kind: string, id: string): Fault {
  return new Fault(identityFaults.notFound, { kind, id }, `Could not find ${kind}: ${id}.`);
}

/** In words of its own. */
export function notFoundAs(message: string): Fault {
  return new Fault(identityFaults.notFound, {}, message);
}

export function conflict(kind: string, details: string): Fault {
  return new Fault(identityFaults.conflict, { kind }, `Conflict occurred attempting to store ${kind} - ${details}.`);
}

/** `domainId` where names are unique in a domain. */
export function duplicate(kind: string, name: string, domainId = ''): Fault {
  const where = domainId === '' ? '' : ` at domain ID ${domainId}`;
  return conflict(kind, `Duplicate entry found with name ${name}${where}`);
}

export function badRequest(message: string): Fault {
  return new Fault(identityFaults.badRequest, {}, message);
}

const MALFORMED =
  'The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.';

export function malformed(message: string): Fault {
  return badRequest(`${message} ${MALFORMED}`);
}

/** Keystone's words for what a body lacks. */
export function expecting(attribute: string, target: string): Fault {
  return malformed(`Expecting to find ${attribute} in ${target}.`);
}

export function forbidden(message: string): Fault {
  return new Fault(identityFaults.forbidden, {}, message);
}

/** Whatever was wrong, user, password or scope, the client is told this. `why` is for the log. */
export function unauthorized(why: string): Fault {
  return new Fault(identityFaults.unauthorized, { why }, 'The request you have made requires authentication.');
}

export function immutable(verb: 'update' | 'delete', kind: string, id: string): Fault {
  return forbidden(
    `Unable to ${verb} immutable ${kind} resource: ${id}. Set resource option "immutable" to false first.`,
  );
}

/** What is immutable takes no change but one of that option, alone. */
export function refuseImmutable(
  kind: string,
  row: { readonly id: string; readonly options: Readonly<Record<string, unknown>> },
  body: Readonly<Record<string, unknown>>,
): void {
  if (row.options['immutable'] !== true) return;
  const { options, ...others } = body;
  const unsets = Object.keys(others).length === 0 && Object.hasOwn((options ?? {}) as object, 'immutable');
  if (!unsets) throw immutable('update', kind, row.id);
}
