/** What a device is made of: put together by open-device.ts, used by the device and by its compaction. */
import type { Clock } from '../fabric/clock.ts';
import type { Disk } from '../fabric/disk.ts';
import type { Kv } from '../fabric/kv.ts';
import type { Stamp } from '../fabric/stamp.ts';
import type { BulkLane } from './bulk-lane.ts';
import type { Checkpointer } from './checkpointer.ts';
import type { Health } from './health.ts';
import type { DeviceIdentity } from './identity.ts';
import type { Key } from './key-format.ts';
import type { DeviceLimits } from './limits.ts';
import type { Log } from './log.ts';
import type { Registers } from './registers.ts';
import type { Segments } from './segments.ts';
import type { SpaceWatch } from './space-watch.ts';

export interface DeviceParts {
  readonly identity: DeviceIdentity;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly limits: DeviceLimits;
  readonly kv: Kv;
  readonly segments: Segments;
  readonly bulkSegments: Segments;
  readonly bulk: BulkLane;
  readonly registers: Registers;
  readonly log: Log;
  readonly checkpointer: Checkpointer;
  readonly space: SpaceWatch;
  readonly health: Health;
  readonly onCorrupt: (key: Key) => void;
  /** Whether all primaries of the key know of the tombstone: see open-device.ts. */
  readonly mayReclaim: (key: Key, ballot: Stamp) => Promise<boolean>;
}
