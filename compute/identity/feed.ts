/**
 * Identity's service on the fabric: says what a token or an access key stands for, with all that the answer hangs on, and
 * tells verifiers what changed. The feed is the store's own; this adds nothing to it and keeps nothing.
 */

import { type ChangesPage, type ControlStore, storeFaults } from '../../control/contract.ts';
import { isFault } from '../../fabric/errors.ts';
import type { Handlers, Reply } from '../../fabric/rpc/contract.ts';
import { resolveAccessKey } from './auth/access-key.ts';
import { contextOf } from './auth/resolve.ts';
import { resolveText } from './auth/resolve-text.ts';
import {
  type AccessKey,
  type ChangesAsk,
  type ChangesReply,
  IDENTITY_METHODS,
  type TokenContext,
  type Verdict,
} from './contract.ts';
import { RecordingTx } from './recording-tx.ts';
import type { Identity } from './service-state.ts';
import { VALIDITY_TABLES } from './tables.ts';

/** What a verifier may ask to be held. */
const WAIT_MS_MAX = 5000;
/** Of the store's feed, for one answer. */
const PAGES_MAX = 10;

export interface FeedOptions {
  /** Names of peers that may learn secrets of access keys; all when absent (one process, one trust). */
  readonly mayReadKeys?: (peerName: string) => boolean;
}

export function identityHandlers(identity: Identity, { mayReadKeys = () => true }: FeedOptions = {}): Handlers {
  return {
    [IDENTITY_METHODS.verify]: async ({ token }: { token: string }): Promise<Reply> => ({
      value: await verify(identity, token),
    }),
    [IDENTITY_METHODS.accessKey]: async ({ accessKey }: { accessKey: string }, { peerName }): Promise<Reply> => ({
      value: mayReadKeys(peerName) ? await lookUpKey(identity, accessKey) : NOTHING,
    }),
    [IDENTITY_METHODS.changes]: async (ask: ChangesAsk): Promise<Reply> => ({ value: await changes(identity, ask) }),
  };
}

const NOTHING: Verdict<never> = { result: undefined, revision: 0, reads: [] };

async function verify(identity: Identity, token: string): Promise<Verdict<TokenContext>> {
  if (typeof token !== 'string') return NOTHING;
  // Only for keys that rotated meanwhile; most tokens that do not open are not ours at all.
  await identity.tokenKeys.openOrReload(token);
  return await identity.store.read(async (tx) => {
    const recording = new RecordingTx(tx);
    const resolved = await resolveText(identity, recording, token);
    const result = resolved && contextOf(resolved);
    return { result, revision: tx.revision, reads: [...recording.reads] };
  });
}

async function lookUpKey(identity: Identity, accessKey: string): Promise<Verdict<AccessKey>> {
  if (typeof accessKey !== 'string') return NOTHING;
  return await identity.store.read(async (tx) => {
    const recording = new RecordingTx(tx);
    const key = await resolveAccessKey(recording, identity, accessKey);
    const result = key && { accessKey, secretKey: key.secret, context: contextOf(key.resolved) };
    return { result, revision: tx.revision, reads: [...recording.reads] };
  });
}

async function changes({ store, clock }: Identity, { after, waitMs }: ChangesAsk): Promise<ChangesReply> {
  if (after === undefined) return { changed: [], revision: await store.revision(), trimmed: false, heldMs: 0 };
  const arrivedMs = clock.monotonicMs();
  await store.waitForChange(after, Math.min(waitMs, WAIT_MS_MAX));
  const heldMs = clock.monotonicMs() - arrivedMs;
  const newest = await store.revision();
  const page = await changesUpTo(store, after, newest);
  return page === undefined
    ? { changed: [], revision: newest, trimmed: true, heldMs }
    : { ...page, trimmed: false, heldMs };
}

/** Everything from `after` up to `newest` at least; undefined when that cannot be told, or is more than to forget all. */
async function changesUpTo(store: ControlStore, after: number, newest: number) {
  const changed: string[] = [];
  let revision = after;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    let page: ChangesPage;
    try {
      page = await store.changes({ after: revision, tables: VALIDITY_TABLES });
    } catch (error) {
      if (isFault(error, storeFaults.feedTrimmed)) return undefined;
      throw error;
    }
    for (const { table, key } of page.changes) changed.push(`${table}\0${key}`);
    revision = page.revision;
    if (revision >= newest) return { changed, revision };
  }
  return undefined;
}
