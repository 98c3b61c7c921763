/** How failures cross the fabric: Faults keep code, message and details; anything else is a bug and is told only to our log. */
import { Fault, fabricFaults } from '../errors.ts';
import type { RpcLog } from './contract.ts';

export function unreachable(peerName: string, reason: string): Fault {
  return new Fault(fabricFaults.unreachable, { peer: peerName, reason }, `${peerName} is unreachable: ${reason}`);
}

export function deadlineExceeded(peerName: string, method: string, budgetMs: number): Fault {
  const message = `no answer to ${method} from ${peerName} within ${budgetMs} ms`;
  return new Fault(fabricFaults.deadline, { peer: peerName, method, budgetMs }, message);
}

export function overloaded(peerName: string, limit: string): Fault {
  return new Fault(fabricFaults.overloaded, { peer: peerName, limit }, `${peerName} is overloaded: ${limit}`);
}

export function aborted(reason: string): Fault {
  return new Fault(fabricFaults.aborted, { reason }, reason);
}

export function unknownMethod(method: string): Fault {
  return new Fault(fabricFaults.internal, { method, unknownMethod: true }, `no method ${method}`);
}

/** What the caller is told of an error thrown by a handler: the text and stack of a bug stay in the callee's log. */
export function faultOf(error: unknown, method: string, log: RpcLog): Fault {
  if (error instanceof Fault) return error;
  const stack = error instanceof Error ? error.stack : String(error);
  log.error({ method, error: stack }, 'handler failed');
  return new Fault(fabricFaults.internal, { method }, `internal error in ${method}`);
}
