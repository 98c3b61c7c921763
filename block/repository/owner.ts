/** Who collects garbage in a repository: one at a time, the newest claim. An older one finds out before it takes anything more. */
import { Fault, isFault } from '../../fabric/errors.ts';
import { repositoryFaults } from './faults.ts';
import { OWNER_NAME } from './names.ts';
import type { ObjectClient } from './object-client.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import { newNonce } from './upload-state.ts';
import type { World } from './world.ts';

/** Claims that meet each other try again; more in a row than this is a fault. */
const CLAIMS_MAX = 8;

export interface Ownership {
  readonly epoch: number;
  /** Fault NotRepositoryOwner once somebody else has claimed it. */
  check(): Promise<void>;
}

export async function claimOwnership(world: World, holder: string): Promise<Ownership> {
  const { client } = world;
  for (let attempt = 0; attempt < CLAIMS_MAX; attempt++) {
    const now = await readOwner(client);
    const epoch = (now?.epoch ?? 0) + 1;
    const nonce = newNonce(world);
    const condition = now === undefined ? 'absent' : { etag: now.etag };
    try {
      await client.put(OWNER_NAME, encodeRecord('owner', { epoch, holder, nonce }), condition);
      return { epoch, check: () => checkOwner(client, nonce) };
    } catch (error) {
      if (!isFault(error, repositoryFaults.preconditionFailed)) throw error;
    }
  }
  throw new Fault(repositoryFaults.notOwner, { reason: 'others claim it all the time' });
}

async function checkOwner(client: ObjectClient, nonce: string): Promise<void> {
  const owner = await readOwner(client);
  if (owner?.nonce !== nonce)
    throw new Fault(repositoryFaults.notOwner, { holder: owner?.holder, epoch: owner?.epoch });
}

async function readOwner(client: ObjectClient) {
  try {
    const { body, etag } = await client.get(OWNER_NAME);
    return { ...decodeRecord(body, 'owner').value, etag };
  } catch (error) {
    if (isFault(error, repositoryFaults.noSuchObject)) return undefined;
    throw error;
  }
}
