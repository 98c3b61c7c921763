/**
 * On an engine that can lose bytes ≥ 0x80 at the ends of header values (uWS), nothing in the value shows the loss. Only a
 * signature that covers the header does. So a header that will be stored or obeyed and that no signature covers is
 * refused there: a value is taken as sent, or not at all.
 */
import type { HttpRequest } from './contract.ts';

/**
 * Name of the first header line that matters and that nothing proves; undefined when all is well, and always on engines
 * that alter nothing. `covered`: lower-case names under the request's verified signature. The caller answers 400.
 */
export function unprovenHeader(
  request: HttpRequest,
  covered: ReadonlySet<string>,
  matters: (name: string) => boolean,
): string | undefined {
  if (request.altersHeaders !== true) return undefined;
  const lines = request.headerLines();
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!;
    if (!covered.has(name) && matters(name)) return name;
  }
  return undefined;
}
