/** From the text of a token to what it stands for now. Undefined for whatever does not hold, malformed or not ours included. */
import type { ReadTx } from '../../../control/contract.ts';
import { isFault } from '../../../fabric/errors.ts';
import { identityFaults } from '../faults.ts';
import type { Identity } from '../service-state.ts';
import { tables } from '../tables.ts';
import { decodePayload } from '../token-format.ts';
import { type Resolved, resolve, type TokenClaim } from './resolve.ts';

/** Without looking at rows: what the token claims to be. */
export function openToken({ tokenKeys }: Pick<Identity, 'tokenKeys'>, text: string): TokenClaim | undefined {
  const sealed = tokenKeys.open(text);
  if (sealed === undefined) return undefined;
  try {
    return { payload: decodePayload(sealed.payload), issuedAtS: sealed.issuedAtS };
  } catch (error) {
    if (isFault(error, identityFaults.badToken)) return undefined;
    throw error;
  }
}

/** `graceS`: how long after its end it still counts. */
export async function resolveText(
  identity: Identity,
  tx: ReadTx,
  text: string,
  graceS = 0,
): Promise<Resolved | undefined> {
  // Whoever keeps the answer hears when keys are dropped: what only they open ends with them.
  await tx.get(tables.keySets, 'tokens');
  const claim = openToken(identity, text);
  const nowMs = identity.clock.nowMs();
  if (claim === undefined || (claim.payload.expiresAtS + graceS) * 1000 <= nowMs) return undefined;
  return await resolve(tx, claim, nowMs);
}
