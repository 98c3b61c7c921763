/** What this API refuses by itself, before or beside the store. errors.ts gives each code its status. */
import { Fault } from '../../fabric/errors.ts';

/** Refusals that the API itself decides. `details.text` is shown to the client; `details.headers` are added. */
export const swiftFaults = {
  badRequest: 'SwiftBadRequest',
  unauthorized: 'SwiftUnauthorized',
  forbidden: 'SwiftForbidden',
  notFound: 'SwiftNotFound',
  methodNotAllowed: 'SwiftMethodNotAllowed',
  notAcceptable: 'SwiftNotAcceptable',
  conflict: 'SwiftConflict',
  gone: 'SwiftGone',
  lengthRequired: 'SwiftLengthRequired',
  preconditionFailed: 'SwiftPreconditionFailed',
  tooLarge: 'SwiftTooLarge',
  rangeNotSatisfiable: 'SwiftRangeNotSatisfiable',
  unprocessable: 'SwiftUnprocessable',
  blacklisted: 'SwiftBlacklisted',
  rateLimited: 'SwiftRateLimited',
} as const;

export type SwiftFaultCode = (typeof swiftFaults)[keyof typeof swiftFaults];

/** As `refuse`, where Swift types the line as if it were a page. */
export function refuseAsPage(code: SwiftFaultCode, text: string, headers?: readonly string[]): Fault {
  return new Fault(code, { text, headers, contentType: 'text/html; charset=UTF-8' }, text);
}

/** A refusal; `text` replaces the page by one plain line. */
export function refuse(code: SwiftFaultCode, text?: string, headers?: readonly string[]): Fault {
  return new Fault(code, { text, headers }, text ?? code);
}
