/** The blob of an EC2 credential, as Keystone has it: JSON text with the pair of keys, sealed where it is stored. */
import { createHash } from 'node:crypto';
import { badRequest, notFound } from './refusals.ts';
import type { Identity } from './service-state.ts';
import type { CredentialRow } from './tables.ts';

export interface Ec2Blob {
  readonly access: string;
  readonly secret: string;
  /** Made by this application credential: it gives no more than that one does. */
  readonly appCredId?: string;
}

/** Keystone's id of an EC2 credential, by which it is found when only the access key is known. */
export function accessKeyId(access: string): string {
  return createHash('sha256').update(access).digest('hex');
}

export function readBlob(identity: Pick<Identity, 'credentialKeys'>, row: CredentialRow): string {
  const sealed = identity.credentialKeys.open(row.sealedBlob);
  // Its key is gone from the folder: the row is of no use any more, and nothing of it can be told.
  if (sealed === undefined) throw notFound('credential', row.id);
  return sealed.payload.toString('utf8');
}

export function sealBlob({ credentialKeys, clock }: Pick<Identity, 'credentialKeys' | 'clock'>, blob: string): string {
  return credentialKeys.seal({ payload: Buffer.from(blob), issuedAtS: Math.floor(clock.nowMs() / 1000) });
}

/** Fault BadRequest for what is no such blob. */
export function parseEc2(blob: string): Ec2Blob {
  let value: unknown;
  try {
    value = JSON.parse(blob);
  } catch {
    throw badRequest('Invalid blob in credential');
  }
  const { access, secret, app_cred_id: appCredId } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (typeof access !== 'string' || typeof secret !== 'string' || access === '')
    throw badRequest('Invalid blob in credential');
  return { access, secret, ...(typeof appCredId === 'string' ? { appCredId } : {}) };
}
