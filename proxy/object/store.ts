/** Puts the operations together as the Store that both APIs call. No logic of its own. */
import type { Random } from '../../fabric/random.ts';
import type { Cluster } from '../cluster.ts';
import { deleteAccount } from './account-deletion.ts';
import { createAccountTotals } from './account-totals.ts';
import * as accounts from './accounts.ts';
import { resolveBucket } from './buckets.ts';
import * as completion from './complete.ts';
import * as containerOps from './container-ops.ts';
import { createContainers } from './containers.ts';
import type { Store } from './contract.ts';
import { copyObject } from './copy.ts';
import { deleteObject } from './delete.ts';
import type { DigestPool } from './digest.ts';
import { sealingOfPart } from './encryption.ts';
import type { Engine } from './engine.ts';
import type { EventDesk } from './event-desk.ts';
import { getObject, headObject } from './get.ts';
import type { KeyManager } from './key-manager.ts';
import { REAL_DAY_MS } from './lifecycle-rules.ts';
import { listObjects, listUploads } from './list.ts';
import { listVersions } from './list-versions.ts';
import { setObjectAcl } from './object-acl.ts';
import { setObjectTags } from './object-tags.ts';
import { PageCache } from './page-cache.ts';
import * as parts from './parts.ts';
import { peek } from './peek.ts';
import { putObject } from './put.ts';
import type { ReadOnlyRule } from './read-only-rule.ts';
import { createRecentAccounts } from './recent-accounts.ts';
import { setObjectLock } from './set-lock.ts';
import type { SyncDesk } from './sync-desk.ts';
import { TimeHint } from './time-hint.ts';
import { updateObject } from './update.ts';
import * as uploads from './upload.ts';
import { restoreVersion } from './version-place.ts';

export interface StoreOptions {
  readonly cluster: Cluster;
  readonly digests: DigestPool;
  readonly random: Random;
  readonly keys?: KeyManager | undefined;
  readonly lifecycleDayMs?: number | undefined;
  readonly onError: (what: string, error: unknown) => void;
  readonly readOnly?: ReadOnlyRule | undefined;
  readonly events?: EventDesk | undefined;
  readonly sync?: SyncDesk | undefined;
}

export interface RunningStore {
  readonly store: Store;
  readonly engine: Engine;
  /** Containers whose account totals lag behind. */
  readonly lagging: () => number;
  /** Account totals are compared with the containers', and brought up to date: after a start. */
  recount(account: string): void;
  stop(): void;
}

const WRITABLE: ReadOnlyRule = { everywhere: false, allowsDeletes: false };

export function createStore({
  cluster,
  digests,
  random,
  keys,
  lifecycleDayMs = REAL_DAY_MS,
  onError,
  readOnly = WRITABLE,
  events,
  sync,
}: StoreOptions): RunningStore {
  const totals = createAccountTotals(() => engine);
  const engine: Engine = {
    cluster,
    containers: createContainers(cluster),
    recentAccounts: createRecentAccounts(cluster.clock, (account) => accounts.findHeldAccount(engine, account)),
    bucketCache: new Map(),
    pages: new PageCache(),
    digests,
    random,
    keys,
    lifecycleDayMs,
    expired: (record) => record.deleteAt !== undefined && record.deleteAt * 1000 <= cluster.clock.nowMs(),
    readOnly,
    expiryHint: new TimeHint(),
    reaperHint: new TimeHint(),
    events,
    sync,
    touched: totals.note,
    holdTotals: totals.hold,
    later: (what, work) => void work().catch((error) => onError(what, error)),
  };
  return { store: bind(engine), engine, lagging: () => totals.waiting, recount: totals.recount, stop: totals.stop };
}

function bind(engine: Engine): Store {
  return {
    peek: (ref, options) => peek(engine, ref, options),
    setObjectAcl: (context, ref, acl) => setObjectAcl(engine, context, ref, acl),
    setObjectTags: (context, ref, tags) => setObjectTags(engine, context, ref, tags),
    headAccount: (context, account) => accounts.headAccount(engine, context, account),
    updateAccount: (context, account, change) => accounts.updateAccount(engine, context, account, change),
    createAccount: (context, account, change) => accounts.createAccount(engine, context, account, change),
    deleteAccount: (context, account) => deleteAccount(engine, context, account),
    listContainers: (context, account, query) => accounts.listContainers(engine, context, account, query),
    createContainer: (context, ref, options) => containerOps.createContainer(engine, context, ref, options),
    updateContainer: (context, ref, change) => containerOps.updateContainer(engine, context, ref, change),
    headContainer: (context, ref) => containerOps.headContainer(engine, context, ref),
    deleteContainer: (context, ref) => containerOps.deleteContainer(engine, context, ref),
    listObjects: (context, ref, query) => listObjects(engine, context, ref, query),
    listVersions: (context, ref, query) => listVersions(engine, context, ref, query),
    resolveBucket: (_context, bucket) => resolveBucket(engine, bucket),
    listBuckets: (context) => accounts.listBuckets(engine, context),
    putObject: (context, ref, options) => putObject(engine, context, ref, options),
    getObject: (context, ref, options) => getObject(engine, context, ref, options),
    headObject: (context, ref, options) => headObject(engine, context, ref, options),
    updateObject: (context, ref, attributes) => updateObject(engine, context, ref, attributes),
    deleteObject: (context, ref, options) => deleteObject(engine, context, ref, options),
    setObjectLock: (context, ref, change) => setObjectLock(engine, context, ref, change),
    restoreVersion: (context, ref) => restoreVersion(engine, context, ref),
    copyObject: (context, target, options) => copyObject(engine, context, target, options),
    createUpload: (context, ref, options) => uploads.createUpload(engine, context, ref, options),
    headUpload: async (context, ref, uploadId, encryption) => {
      const { stamp, record } = await uploads.findOpenUpload(engine, context, ref, uploadId);
      if (encryption) await sealingOfPart(engine, record, encryption);
      return uploads.toUploadInfo(uploadId, stamp, record);
    },
    putPart: (context, ref, part, options) => parts.putPart(engine, context, ref, { ...options, ...part }),
    copyPart: (context, ref, part, options) => parts.copyPart(engine, context, ref, { ...options, ...part }),
    listParts: (context, ref, uploadId, query) => parts.listParts(engine, context, ref, { uploadId, ...query }),
    listUploads: (context, ref, query) => listUploads(engine, context, ref, query),
    completeUpload: (context, ref, uploadId, options) =>
      completion.completeUpload(engine, context, ref, { uploadId, ...options }),
    abortUpload: (context, ref, uploadId) => completion.abortUpload(engine, context, ref, uploadId),
  };
}
