/** The sender of container sync in this proxy, and the connections it keeps to the other clusters. */
import type { Logger } from '../../fabric/logger.ts';
import { createHttpClient } from '../../fabric/net-http.ts';
import type { Random } from '../../fabric/random.ts';
import { createSyncer, type Syncer } from '../../proxy/object/sync-worker.ts';
import { openSyncTarget } from '../../proxy/swift/sync-sender.ts';
import type { SyncOptions } from '../../proxy/sync-realms.ts';

/** Of an answer: there is nothing to read in it. */
const ANSWER_BYTES_MAX = 1024 * 1024;

export function openSyncer({ options, random, log }: { options: SyncOptions; random: Random; log: Logger }): Syncer {
  const http = createHttpClient({ bodyBytesMax: ANSWER_BYTES_MAX });
  const world = { http, random, options };
  const syncer = createSyncer({
    targetOf: (to, key) => openSyncTarget(world, to, key),
    warn: (fields, message) => log.warn(fields, message),
  });
  return {
    ...syncer,
    async stop() {
      // First: what is under way must not hold the end up.
      await http.close();
      await syncer.stop();
    },
  };
}
