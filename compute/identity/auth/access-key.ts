/** What an EC2 credential stands for now: its secret, and the project-scoped context that its user has there. */
import type { ReadTx } from '../../../control/contract.ts';
import { accessKeyId, parseEc2, readBlob } from '../ec2-blob.ts';
import { seconds } from '../model/rows.ts';
import type { Identity } from '../service-state.ts';
import { tables } from '../tables.ts';
import type { TokenPayload } from '../token-format.ts';
import { type Resolved, resolve, type TokenClaim } from './resolve.ts';

export interface ResolvedKey {
  readonly secret: string;
  readonly claim: TokenClaim;
  readonly resolved: Resolved;
}

/** Undefined when there is no such key, or its user, project or application credential cannot be used. */
export async function resolveAccessKey(
  tx: ReadTx,
  identity: Identity,
  access: string,
): Promise<ResolvedKey | undefined> {
  const row = await tx.get(tables.credentials, accessKeyId(access));
  if (row === undefined || row.type !== 'ec2' || row.projectId === null) return undefined;
  const { secret, appCredId } = parseEc2(readBlob(identity, row));
  const nowS = seconds(identity.clock.nowMs());
  const payload: TokenPayload = {
    userId: row.userId,
    methods: [],
    projectId: row.projectId,
    expiresAtS: nowS + identity.settings.tokenLifetimeS,
    auditIds: [],
    ...(appCredId === undefined ? {} : { appCredId }),
  };
  // A key is not a session: what revoked the sessions of this second does not concern it.
  const claim = { payload, issuedAtS: nowS + 1 };
  const resolved = await resolve(tx, claim, nowS * 1000);
  return resolved && { secret, claim, resolved };
}
