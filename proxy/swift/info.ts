/** `/info` and `/healthcheck`: what anybody may know without a token. */
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import type { SwiftResponse } from './response.ts';

const METHODS = ['GET', 'HEAD', 'OPTIONS'];

export function answerInfo(call: SwiftCall): SwiftResponse {
  const { method } = call.http;
  if (!METHODS.includes(method)) throw refuse(swiftFaults.methodNotAllowed, undefined, ['Allow', METHODS.join(', ')]);
  if (method === 'OPTIONS') return { status: 200, headers: ['Allow', METHODS.join(', ')] };
  const headers = ['Content-Type', 'application/json; charset=UTF-8'];
  return { status: 200, headers, body: JSON.stringify(call.world.info) };
}

export function answerHealthcheck(): SwiftResponse {
  return { status: 200, headers: ['Content-Type', 'text/plain'], body: 'OK' };
}

/** Names of the storage policies by index, from `/info`: `swift.policies` lists them in that order. */
export function policyNamesOf(info: Readonly<Record<string, unknown>>): readonly string[] {
  const swift = info['swift'] as { policies?: readonly { name?: unknown }[] } | undefined;
  const names = (swift?.policies ?? []).map(({ name }) => String(name));
  return names.length > 0 ? names : ['Policy-0'];
}
