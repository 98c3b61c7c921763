/** What conditions of bucket policies may ask of any request, whichever API it speaks. Pure but for the clock it is given. */
import type { Clock } from '../fabric/clock.ts';
import type { HttpRequest } from '../fabric/http/contract.ts';
import type { RequestScope } from './object/contract.ts';

/** `key`: lower-case. Undefined for what the request has not, or what is the API's own. */
export function commonFact(request: HttpRequest, clock: Clock, key: string): readonly string[] | undefined {
  switch (key) {
    case 'aws:sourceip':
      // An IPv4 client of a dual-stack socket.
      return [request.remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '')];
    case 'aws:securetransport':
      return [String(request.tls)];
    case 'aws:referer':
      return one(request.headers.get('referer'));
    case 'aws:useragent':
      return one(request.headers.get('user-agent'));
    case 'aws:currenttime':
      return [new Date(clock.nowMs()).toISOString()];
    case 'aws:epochtime':
      return [String(Math.floor(clock.nowMs() / 1000))];
    default:
      return undefined;
  }
}

export const one = (value: string | undefined): readonly string[] | undefined =>
  value === undefined ? undefined : [value];

/** A request of an API that has no names of its own for what S3's policies speak of. */
export class CommonScope implements RequestScope {
  readonly #request: HttpRequest;
  readonly #clock: Clock;

  constructor(request: HttpRequest, clock: Clock) {
    this.#request = request;
    this.#clock = clock;
  }

  action(usual: string): string {
    return usual;
  }

  fact(key: string): readonly string[] | undefined {
    return commonFact(this.#request, this.#clock, key);
  }
}
