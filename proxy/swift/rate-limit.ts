/**
 * Rates of requests that an operator allows: containers made and removed in an account, writes and listings by the size of
 * a container, and all writes of an account where its reseller says so. Who is too fast waits; who would wait too long is
 * refused. Each proxy counts for itself.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { RatePoint, Rates } from '../swift-options.ts';
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';

/** Requests per second of all writes to the account; WHITELIST and BLACKLIST. */
export const WRITE_RATE = 'x-account-sysmeta-global-write-ratelimit';
const WRITES = new Set(['PUT', 'DELETE', 'POST', 'COPY']);
const CLOCKS_MAX = 10_000;
const BLACKLIST_SLEEP_MS = 1000;
const MS = 1000;

export class RateLimits {
  readonly #rates: Rates;
  readonly #clock: Clock;
  /** When the next request of a key may go, Unix ms; oldest first. */
  readonly #nextMs = new Map<string, number>();

  constructor(rates: Rates, clock: Clock) {
    this.#rates = rates;
    this.#clock = clock;
  }

  /** Resolves when the request may go on. Faults RateLimited, Blacklisted. */
  async wait(call: SwiftCall): Promise<void> {
    const { method } = call.http;
    const isWrite = WRITES.has(method);
    if (!isWrite && (method !== 'GET' || call.container === '' || call.object !== '')) return;
    const known = await call.world.store.peek(call.containerRef);
    const global = known.account[WRITE_RATE];
    if (global === 'WHITELIST') return;
    if (global === 'BLACKLIST') {
      await this.#clock.sleep(BLACKLIST_SLEEP_MS);
      throw refuse(swiftFaults.blacklisted, 'Your account has been blacklisted');
    }
    for (const [key, perS] of await this.#limits(call, isWrite ? Number(global) : 0)) await this.#take(key, perS);
  }

  async #limits(call: SwiftCall, globalPerS: number): Promise<[key: string, perS: number][]> {
    const { account, container, object } = call;
    const { method } = call.http;
    const found: [string, number][] = [];
    const isChange = method === 'PUT' || method === 'DELETE';
    if (container !== '' && object === '' && isChange) found.push([`account ${account}`, this.#rates.account]);
    const points = object !== '' ? this.#rates.container : method === 'GET' ? this.#rates.listing : [];
    if (container !== '' && points.length > 0) {
      const what = object !== '' ? 'container' : 'listing';
      found.push([`${what} ${account}/${container}`, rateFor(points, await sizeOf(call))]);
    }
    found.push([`write ${account}`, globalPerS]);
    return found.filter(([, perS]) => perS > 0);
  }

  async #take(key: string, perS: number): Promise<void> {
    const { sleepMaxS, bufferS } = this.#rates;
    const nowMs = this.#clock.nowMs();
    const step = MS / perS;
    const next = Math.max(this.#nextMs.get(key) ?? 0, nowMs - bufferS * MS);
    const sleepMs = Math.max(0, next - nowMs);
    if (sleepMs > sleepMaxS * MS) throw refuse(swiftFaults.rateLimited, 'Slow down');
    this.#nextMs.delete(key);
    this.#nextMs.set(key, next + step);
    if (this.#nextMs.size > CLOCKS_MAX) this.#nextMs.delete(this.#nextMs.keys().next().value as string);
    if (sleepMs > 0) await this.#clock.sleep(sleepMs);
  }
}

/** Of a container that size; 0 where there is no limit. */
export function rateFor(points: readonly RatePoint[], objects: number): number {
  const at = points.findLastIndex((point) => objects >= point.objects);
  const here = points[at];
  if (!here) return 0;
  const next = points[at + 1];
  if (!next) return here.perS;
  return here.perS + ((objects - here.objects) * (next.perS - here.perS)) / (next.objects - here.objects);
}

/** Whoever asks: nothing of it is shown. */
async function sizeOf(call: SwiftCall): Promise<number> {
  return (await call.world.store.peek(call.containerRef, { totals: true })).objectCount ?? 0;
}
