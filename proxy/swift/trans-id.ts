/** Transaction ids as Swift writes them: `tx`, 21 hex digits, `-`, the time in seconds as 10 hex digits. */
import type { ProxyWorld } from '../contract.ts';

const RANDOM_BYTES = 11;
const RANDOM_DIGITS = 21;
const EXTRA_LENGTH_MAX = 32;
const UNSAFE = /[^A-Za-z0-9_.~-]/g;

/** `extra`: the client's X-Trans-Id-Extra, to find its requests again; made safe for headers and logs. */
export function makeTransId({ random, clock }: Pick<ProxyWorld, 'random' | 'clock'>, extra?: string): string {
  const digits = random.bytes(RANDOM_BYTES).toString('hex').slice(0, RANDOM_DIGITS);
  const seconds = Math.floor(clock.nowMs() / 1000)
    .toString(16)
    .padStart(10, '0');
  const id = `tx${digits}-${seconds}`;
  if (extra === undefined || extra === '') return id;
  return `${id}-${extra.slice(0, EXTRA_LENGTH_MAX).replace(UNSAFE, '_')}`;
}
