/**
 * Starts a device: whose directory it is, what the index last covered, what the log holds beyond. Comes up with what can be
 * read, and says in one line each what cannot.
 */
import type { Clock } from '../fabric/clock.ts';
import type { Disk } from '../fabric/disk.ts';
import type { Fault } from '../fabric/errors.ts';
import type { Kv } from '../fabric/kv.ts';
import type { Random } from '../fabric/random.ts';
import { NO_STAMP, type Stamp } from '../fabric/stamp.ts';
import { BulkLane } from './bulk-lane.ts';
import { Checkpointer } from './checkpointer.ts';
import type { Lsn, Projection } from './contract.ts';
import { Device, type Health } from './device.ts';
import { claimDirectory, type DeviceIdentity } from './identity.ts';
import { Index } from './index.ts';
import type { Key } from './key-format.ts';
import { type DeviceLimits, defaultLimits } from './limits.ts';
import {
  type CheckpointRecord,
  decodeCheckpoint,
  decodeMarks,
  decodeStamp,
  decodeUnsettled,
  decodeUsage,
  LOCAL,
  localRange,
  localRest,
  unseal,
} from './local-format.ts';
import { Log } from './log.ts';
import { Registers } from './registers.ts';
import { replay } from './replay.ts';
import { LANE, lsnSegment } from './segment-format.ts';
import { type SegmentProblem, Segments } from './segments.ts';
import { SpaceWatch } from './space-watch.ts';
import { Usage } from './usage.ts';

export interface DeviceLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface OpenDeviceOptions {
  /** Absolute; the device's own: DIR/device.json, DIR/log, DIR/bulk, DIR/index. */
  readonly directory: string;
  readonly deviceId: number;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly disk: Disk;
  /** Opens the index that lives in `path` (a directory). */
  readonly openKv: (path: string) => Promise<Kv>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: DeviceLogger | undefined;
  readonly limits?: Partial<DeviceLimits> | undefined;
  readonly projections?: readonly Projection[] | undefined;
  /** A register or blob that does not check was set aside: repair it from another replica. */
  readonly onCorrupt?: ((key: Key) => void) | undefined;
  /** Replay, in bytes. */
  readonly progress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

const silent: DeviceLogger = { info() {}, warn() {}, error() {} };
const NEW_DEVICE: CheckpointRecord = { covered: 0, oldest: 0, maxStamp: NO_STAMP as Stamp, handoffCopies: 0 };

/** Fault ForeignDisk, CorruptIdentity, CorruptIndex, or the disk's own when the directory cannot be used at all. */
export async function openDevice(options: OpenDeviceOptions): Promise<Device> {
  const { directory, disk, clock, deviceId, log: logger = silent } = options;
  const limits = { ...defaultLimits, ...options.limits };
  await disk.makeDirectory(`${directory}/log`);
  await disk.makeDirectory(`${directory}/bulk`);
  await disk.makeDirectory(`${directory}/index`);
  const identity = await claimDirectory(options, directory, options);
  const health: Health = { state: 'starting', reason: undefined };
  const setHealth = (state: Health['state'], reason: string): void => {
    if (health.state === 'out') return;
    health.state = state;
    health.reason = reason;
    logger.error({ device: deviceId, state, reason }, 'device condition changed');
  };
  const kv = await options.openKv(`${directory}/index`);
  const checkpoint = readCheckpoint(kv);
  const segments = await openLane(options, identity, LANE.log);
  const bulkLane = await openLane(options, identity, LANE.bulk);
  for (const { path, reason } of [...segments.problems, ...bulkLane.problems]) {
    logger.error({ device: deviceId, path, reason }, 'segment cannot be read; its records are set aside');
  }
  const lost = await dropUnborn(segments, checkpoint.covered);
  if (lost) setHealth('read-only', `unreadable log segment ${lost.path}`);

  const projections = options.projections ?? [];
  const onCorrupt = options.onCorrupt ?? ((): void => {});
  const usage = new Usage();
  const index = new Index({ kv, viewCacheEntries: limits.viewCacheEntries, onCorrupt });
  const registers = new Registers({ index, usage, clock, limits, projections });
  const unsettledValues = restore(registers, kv, checkpoint);
  for (const projection of projections) projection.open((key) => kv.get(key));

  const report = (message: string, details: object): void => logger.warn({ device: deviceId, ...details }, message);
  const progress = options.progress ?? ((): void => {});
  const lane = segments.lane;
  const { covered } = checkpoint;
  const replayed = await replay({ segments: lane, registers, covered, clock, report, progress });
  logger.info({ device: deviceId, records: replayed.records, rotten: replayed.rotten }, 'log replayed');

  let lastMarksMs = clock.monotonicMs();
  const onBatch = (): void => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lastMarksMs < limits.markEveryMs || !registers.unsettled.takeDirty()) return;
    lastMarksMs = nowMs;
    registers.logMarks();
  };
  const onOut = (fault: Fault): void => setHealth('out', fault.message);
  const { tail, segment } = replayed;
  const log = new Log({ segments: lane, clock, segmentBytes: limits.logSegmentBytes, tail, segment, onOut, onBatch });
  registers.attach(log);
  const feedOldest = checkpoint.oldest;
  const checkpointing = { registers, kv, clock, limits, projections, covered, feedOldest, unsettledValues };
  const checkpointer = new Checkpointer({ ...checkpointing, onFailed: onOut });
  const onChange = (full: boolean): void => {
    registers.full = full;
    if (full) setHealth('full', 'free space is down to the reserve');
    else if (health.state === 'full') setHealth('up', 'there is space again');
  };
  const bulkSegments = bulkLane.lane;
  const bulk = new BulkLane({ segments: bulkSegments, segmentBytes: limits.bulkSegmentBytes, onOut });
  const writtenBytes = (): number => log.tail + bulk.appendedBytes;
  const space = new SpaceWatch({ disk, directory, clock, limits, writtenBytes, onChange });
  if (health.state === 'starting') health.state = 'up';
  await space.check();
  if (log.tail > covered) checkpointer.wrote();
  const common = { identity, disk, clock, limits, kv, registers, log, checkpointer, space, health, onCorrupt };
  return new Device({ ...common, segments: lane, bulkSegments, bulk });
}

function readCheckpoint(kv: Kv): CheckpointRecord {
  const sealed = kv.get(LOCAL.checkpoint);
  return sealed ? decodeCheckpoint(unseal(LOCAL.checkpoint, sealed)) : NEW_DEVICE;
}

interface OpenLane {
  readonly lane: Segments;
  readonly problems: readonly SegmentProblem[];
}

async function openLane(
  { disk, directory, random }: OpenDeviceOptions,
  owner: DeviceIdentity,
  lane: 1 | 2,
): Promise<OpenLane> {
  const folder = `${directory}/${lane === LANE.log ? 'log' : 'bulk'}`;
  const segments = new Segments({ disk, directory: folder, lane, owner, random });
  return { lane: segments, problems: await segments.open() };
}

/**
 * The newest file may have been made without its header reaching the disk: then nothing in it was ever acknowledged.
 * An unreadable file in the range to be replayed is a loss, and is returned.
 */
async function dropUnborn({ lane, problems }: OpenLane, covered: Lsn): Promise<SegmentProblem | undefined> {
  let lost: SegmentProblem | undefined;
  for (const problem of problems) {
    const number = Number.parseInt(problem.path.slice(-12), 10);
    if (number < lsnSegment(covered)) continue;
    if (number === lane.lastNumber && number > lsnSegment(covered)) await lane.discard(number);
    else lost = problem;
  }
  return lost;
}

/** Returns how many values the unsettled operations took. */
function restore(registers: Registers, kv: Kv, checkpoint: CheckpointRecord): number {
  const value = (key: Key): Buffer => {
    const sealed = kv.get(key);
    return sealed ? unseal(key, sealed) : Buffer.alloc(0);
  };
  registers.maxStamp = checkpoint.maxStamp;
  registers.handoffCopies = checkpoint.handoffCopies;
  registers.usage.restore(decodeUsage(value(LOCAL.usage)));
  kv.forEach(localRange(LOCAL.promise), (key, sealed) => {
    registers.promises.set(localRest(key), decodeStamp(unseal(key, sealed)));
  });
  kv.forEach(localRange(LOCAL.cursor), (key, sealed) => {
    registers.cursors.set(localRest(key), unseal(key, sealed).readDoubleLE());
  });
  kv.forEachKey(localRange(LOCAL.quarantine), (key) => void registers.quarantined.add(localRest(key)));
  let values = 0;
  const records: ReturnType<typeof decodeUnsettled> = [];
  kv.forEach(localRange(LOCAL.unsettled), (key, sealed) => {
    records.push(...decodeUnsettled(unseal(key, sealed)));
    values++;
  });
  registers.unsettled.restore(decodeMarks(value(LOCAL.marks)), records);
  return values;
}
