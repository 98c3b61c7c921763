/** ETags of objects in quotes, as RFC 9110 has them, where a container, its account or the operator says so (etag_quoter). */
import type { Metadata } from '../../account-container/contract.ts';
import type { SwiftCall } from './call.ts';
import type { SwiftResponse } from './response.ts';
import { isTrue } from './true-value.ts';

export const QUOTED = {
  account: 'x-account-rfc-compliant-etags',
  container: 'x-container-rfc-compliant-etags',
} as const;

/** Adds what the request's headers say to a change of metadata. */
export function readQuoting(call: SwiftCall, owner: keyof typeof QUOTED, change: Record<string, string | null>): void {
  const name = QUOTED[owner];
  const value = call.header(name);
  if (value !== undefined) change[name] = value === '' ? null : isTrue(value) ? 'True' : 'False';
  if (call.header(name.replace('x-', 'x-remove-'))) change[name] = null;
}

/** Of an object's answer. */
export function quoteEtag(call: SwiftCall, answer: SwiftResponse): SwiftResponse | Promise<SwiftResponse> {
  const at = answer.headers.findIndex((name, i) => i % 2 === 0 && name === 'Etag');
  if (at < 0) return answer;
  const known = call.world.store.peek(call.containerRef);
  if (known instanceof Promise) return known.then((found) => quoteAt(call, { answer, at, ...found }));
  return quoteAt(call, { answer, at, ...known });
}

interface Quotable {
  readonly answer: SwiftResponse;
  readonly at: number;
  readonly account: Metadata;
  readonly container: Metadata | undefined;
}

function quoteAt(call: SwiftCall, { answer, at, account, container }: Quotable): SwiftResponse {
  const said = container?.[QUOTED.container] ?? account[QUOTED.account];
  const isWanted = said === undefined ? call.world.swift?.quotedEtags === true : said === 'True';
  const { headers } = answer;
  const etag = headers[at + 1] as string;
  if (isWanted && !/^(W\/)?".*"$/.test(etag)) headers[at + 1] = `"${etag}"`;
  return answer;
}
