/** The refusals of identity in Keystone's own words, which clients and their tests match on. Never says more than it does. */
import { Fault } from '../../fabric/errors.ts';
import { identityFaults } from './faults.ts';

export function notFound(kind: string, id: string): Fault {
  return new Fault(identityFaults.notFound, { kind, id }, `Could not find ${kind}: ${id}.`);
}

export function conflict(kind: string, details: string): Fault {
  return new Fault(identityFaults.conflict, { kind }, `Conflict occurred attempting to store ${kind} - ${details}.`);
}

export function duplicate(kind: string, name: string): Fault {
  return conflict(kind, `Duplicate entry found with name ${name}`);
}

export function badRequest(message: string): Fault {
  return new Fault(identityFaults.badRequest, {}, message);
}

export function forbidden(message: string): Fault {
  return new Fault(identityFaults.forbidden, {}, message);
}

/** Whatever was wrong, user, password or scope, the client is told this. `why` is for the log. */
export function unauthorized(why: string): Fault {
  return new Fault(identityFaults.unauthorized, { why }, 'The request you have made requires authentication.');
}

export function immutable(kind: string, id: string): Fault {
  return forbidden(`Cannot modify ${kind} ${id}: the immutable option is set. Unset it first.`);
}
