/** An answer of this API before the handler has put the transaction id on it: as the HTTP contract has it, headers open. */
import type { HttpResponse } from '../../fabric/http/contract.ts';

export interface SwiftResponse extends HttpResponse {
  readonly headers: string[];
}

const HTML = 'text/html; charset=UTF-8';

/** No body, as Swift types it. */
export function emptyResponse(status: number, headers: readonly string[] = []): SwiftResponse {
  return { status, headers: ['Content-Type', HTML, ...headers], body: undefined };
}
