/** Where the control plane's services of this process keep their rows, and who did what: DIR/control. Agents on hosts have none. */
import path from 'node:path';
import type { AuditLog } from '../../control/audit.ts';
import { openAuditLog } from '../../control/audit-log.ts';
import type { ControlStore } from '../../control/contract.ts';
import { openLmdbStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import type { Logger } from '../../fabric/logger.ts';
import { systemDisk } from '../../fabric/system-disk.ts';

export interface ControlState {
  readonly home: string;
  readonly store: ControlStore;
  readonly audit: AuditLog;
  close(): Promise<void>;
}

export async function openControlState(directory: string, log: Logger): Promise<ControlState> {
  const home = path.join(directory, 'control');
  await systemDisk.makeDirectory(path.join(home, 'store'));
  const store = await openLmdbStore({ path: path.join(home, 'store'), clock: systemClock });
  const onError = (error: unknown): void => log.error({ err: error }, 'the audit log failed');
  const audit = await openAuditLog({ disk: systemDisk, folder: path.join(home, 'audit'), onError });
  return {
    ...{ home, store, audit },
    async close() {
      await audit.close();
      await store.close();
    },
  };
}
