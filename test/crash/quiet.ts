/** When a running cluster owes nothing: no copies, no catching up, no totals, no operation under way. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './client.ts';

const LOOK_EVERY_MS = 200;
/** A change is noted a moment before it is worked on: so many looks in a row must agree. */
const LOOKS = 7;
const DEBTS =
  /^needletail_(account_totals_lagging|open_operations|device_(handoff_copies|behind_bytes|unsettled_operations)).* [1-9]/gm;

/** What is still owed after `limitMs`; empty when the cluster came to rest before. */
export async function untilQuiet(client: Client, limitMs: number): Promise<readonly string[]> {
  const endMs = performance.now() + limitMs;
  for (let calm = 0; ; ) {
    const owed = (await client.metrics()).match(DEBTS) ?? [];
    calm = owed.length > 0 ? 0 : calm + 1;
    if (calm === LOOKS) return [];
    if (performance.now() > endMs) return owed;
    await sleep(LOOK_EVERY_MS);
  }
}
