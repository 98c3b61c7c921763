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
import { Checkpointer, type CheckpointLog } from './checkpointer.ts';
import type { Lsn, Projection } from './contract.ts';
import { Device } from './device.ts';
import type { DeviceParts } from './device-parts.ts';
import { Health } from './health.ts';
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
import { probeEpoch } from './log-reader.ts';
import { createHeadLoader } from './record-reader.ts';
import { Registers } from './registers.ts';
import { ReplayLog, replay } from './replay.ts';
import { LANE, type Lane, lsnSegment, SEGMENT_HEADER_BYTES } from './segment-format.ts';
import { laneName, type SegmentProblem, Segments } from './segments.ts';
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
  /** Whether every primary of the key holds (or has reclaimed) this tombstone. Without an answer none ever goes. */
  readonly mayReclaim?: ((key: Key, ballot: Stamp) => Promise<boolean>) | undefined;
  /** Replay, in bytes. */
  readonly progress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

const silent: DeviceLogger = { info() {}, warn() {}, error() {} };
const NEW_DEVICE: CheckpointRecord = { covered: 0, oldest: 0, maxStamp: NO_STAMP as Stamp, handoffCopies: 0 };

/** Fault ForeignDisk, CorruptIdentity, CorruptIndex, or the disk's own when the directory cannot be used at all. */
export async function openDevice(options: OpenDeviceOptions): Promise<Device> {
  const { directory, disk, clock, deviceId: device, log: logger = silent } = options;
  const limits = { ...defaultLimits, ...options.limits };
  for (const folder of ['log', 'bulk', 'index']) await disk.makeDirectory(`${directory}/${folder}`);
  const identity = await claimDirectory(options, directory, options);
  const health = new Health((state, reason) => logger.error({ device, state, reason }, 'device condition'));
  const kv = await options.openKv(`${directory}/index`);
  const segments = createLane(options, identity, LANE.log);
  const bulkSegments = createLane(options, identity, LANE.bulk);
  try {
    const checkpoint = readCheckpoint(kv);
    const problems = await segments.open();
    const bulkProblems = await bulkSegments.open();
    for (const { path, reason } of [...problems, ...bulkProblems]) {
      logger.error({ device, path, reason }, 'segment header cannot be read');
    }
    await adoptAll(bulkSegments, bulkProblems);
    const lost = await rescue(options, segments, problems, checkpoint.covered);
    if (lost) health.worsen('read-only', `unreadable log segment ${lost.path}`);
    const onCorrupt = options.onCorrupt ?? ((): void => {});
    const mayReclaim = options.mayReclaim ?? (async () => false);
    const base = { identity, disk, clock, limits, kv, segments, bulkSegments, health, onCorrupt, mayReclaim };
    const registers = await recover(options, base, checkpoint);
    const opened = new Device({ ...base, ...registers, space: watchSpace(directory, base, registers) });
    health.started();
    await opened.begin();
    return opened;
  } catch (error) {
    await kv.close();
    await segments.close();
    await bulkSegments.close();
    throw error;
  }
}

type Base = Omit<DeviceParts, 'registers' | 'log' | 'checkpointer' | 'bulk' | 'space'>;
type Recovered = Pick<DeviceParts, 'registers' | 'log' | 'checkpointer' | 'bulk'>;

/** Registers as the last checkpoint and the log behind it say, and a log to go on with. */
async function recover(options: OpenDeviceOptions, base: Base, checkpoint: CheckpointRecord): Promise<Recovered> {
  const { kv, clock, limits, segments, bulkSegments, health, onCorrupt } = base;
  const { deviceId: device, log: logger = silent, projections = [], progress = (): void => {} } = options;
  const loadHead = createHeadLoader(segments, (key) => index.get(key));
  const index: Index = new Index({ kv, viewCacheEntries: limits.viewCacheEntries, loadHead, onCorrupt });
  const registers = new Registers({ index, usage: new Usage(), clock, limits, projections });
  const unsettledValues = restore(registers, kv, checkpoint);
  for (const projection of projections) projection.open((key) => kv.get(key));

  const onOut = (fault: Fault): void => health.worsen('out', fault.message);
  const { covered, oldest: feedOldest } = checkpoint;
  const standIn = new ReplayLog(covered);
  let current: CheckpointLog = standIn;
  const checkpointing = { registers, kv, clock, limits, projections, covered, feedOldest, unsettledValues };
  const checkpointer = new Checkpointer({ ...checkpointing, log: () => current, onFailed: onOut });
  const report = (message: string, details: object): void => logger.warn({ device, ...details }, message);
  const replaying = { segments, registers, checkpointer, standIn, recordsMax: limits.tableRecordsMax, covered, clock };
  const { tail, segment, records, rotten } = await replay({ ...replaying, report, progress });
  logger.info({ device, records, rotten }, 'log replayed');
  if (rotten > 0) {
    health.note(`${rotten} log records are lost: compared with the other replicas from the beginning`);
    for (const name of [...registers.bookmarks.keys()]) registers.removeBookmark(name);
  }

  const onBatch = marksRider(registers, clock, limits.markEveryMs);
  const log = new Log({ segments, clock, segmentBytes: limits.logSegmentBytes, tail, segment, onOut, onBatch });
  current = log;
  registers.attach(log);
  const bulk = new BulkLane({ segments: bulkSegments, segmentBytes: limits.bulkSegmentBytes, onOut });
  return { registers, log, checkpointer, bulk };
}

/** Settled marks ride along with a batch now and then; they are never worth a sync of their own. */
function marksRider(registers: Registers, clock: Clock, everyMs: number): () => void {
  let lastMs = clock.monotonicMs();
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lastMs < everyMs || !registers.unsettled.takeDirty()) return;
    lastMs = nowMs;
    registers.logMarks();
  };
}

function watchSpace(
  directory: string,
  { disk, clock, limits, health }: Base,
  { log, bulk, registers }: Recovered,
): SpaceWatch {
  const onChange = (full: boolean, exhausted: boolean): void => {
    registers.full = full;
    registers.exhausted = exhausted;
    health.setFull(full);
  };
  const writtenBytes = (): number => log.tail + bulk.appendedBytes;
  return new SpaceWatch({ disk, directory, clock, limits, writtenBytes, onChange });
}

function readCheckpoint(kv: Kv): CheckpointRecord {
  const sealed = kv.get(LOCAL.checkpoint);
  return sealed ? decodeCheckpoint(unseal(LOCAL.checkpoint, sealed)) : NEW_DEVICE;
}

function createLane({ disk, directory, random }: OpenDeviceOptions, owner: DeviceIdentity, lane: Lane): Segments {
  return new Segments({ disk, directory: `${directory}/${laneName(lane)}`, lane, owner, random });
}

/**
 * Log files whose header cannot be read. The newest may have been made without anything in it reaching the disk: then
 * nobody was told of what it holds, and it goes. Otherwise its records speak for themselves. A file in the range to be
 * replayed of which nothing can be read is a loss, and is returned.
 */
async function rescue(
  { disk }: OpenDeviceOptions,
  lane: Segments,
  problems: readonly SegmentProblem[],
  covered: Lsn,
): Promise<SegmentProblem | undefined> {
  let lost: SegmentProblem | undefined;
  for (const problem of problems) {
    const number = numberOf(problem.path);
    const file = await disk.open(problem.path, 'read');
    const found = await probeEpoch(file).finally(() => file.close());
    const newest = number === lane.lastNumber && number > lsnSegment(covered);
    if (newest && (!found || lsnSegment(found.synced) < number)) await lane.discard(number);
    else if (found) await lane.adopt(number, found.epoch);
    else if (number >= lsnSegment(covered)) lost = problem;
  }
  return lost;
}

/**
 * Chunks are found by position and verified by themselves: a bulk file needs no header to be read, or given back. The newest
 * may have been made without its header, by a process that was killed: it goes, or chunks would fill it from the start.
 */
async function adoptAll(lane: Segments, problems: readonly SegmentProblem[]): Promise<void> {
  for (const { path } of problems) {
    const number = numberOf(path);
    const adopted = await lane.adopt(number, 0).catch(() => {
      // Not even to be opened: its chunks are repaired one by one as they are asked for.
    });
    if (number === lane.lastNumber && adopted && adopted.bytes <= SEGMENT_HEADER_BYTES) await lane.discard(number);
  }
}

const numberOf = (path: string): number => Number.parseInt(path.slice(-12), 10);

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
    registers.restorePromise(localRest(key), decodeStamp(unseal(key, sealed)));
  });
  kv.forEach(localRange(LOCAL.cursor), (key, sealed) => {
    registers.cursors.set(localRest(key), unseal(key, sealed).readDoubleLE());
  });
  kv.forEach(localRange(LOCAL.bookmark), (key, sealed) => {
    registers.bookmarks.set(localRest(key), unseal(key, sealed).readDoubleLE());
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
