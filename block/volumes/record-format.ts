/**
 * What a host knows of a volume beside its bytes: a text file, readable by people, replaced as a whole.
 *
 *     +----------------------------------------------------------+
 *     | needletail-volume SP 1 SP xxh64 of the rest, 16 hex  LF  |
 *     +----------------------------------------------------------+
 *     | one JSON object, UTF-8                               LF  |
 *     +----------------------------------------------------------+
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import type { Extent } from '../repository/contract.ts';
import { type SnapshotPlace, type VolumeLimits, volumeFaults } from './contract.ts';

const MAGIC = 'needletail-volume';
const VERSION = '1';

/** A snapshot or backup that is being taken, or that failed and waits for somebody to look at it. */
export interface Job extends SnapshotPlace {
  readonly kind: 'snapshot' | 'backup';
  readonly name: string;
  readonly createdMs: number;
  readonly streams?: number;
  readonly labels: Readonly<Record<string, string>>;
  /** In a lineage of its own: the volume's next snapshot is as if this had not been. */
  readonly alone: boolean;
  /** asked: nothing done yet. taken: the engine holds the moment. failed: `error` says why. */
  readonly phase: 'asked' | 'taken' | 'failed';
  readonly error?: string;
}

/**
 * The engine counts changes since `deleted`, a snapshot that is gone. Its part is taken by an older one, with what differs
 * between the two.
 */
export interface BaseInstead {
  readonly deleted: string;
  readonly base: string | null;
  readonly changed: readonly Extent[];
}

export interface VolumeRecord {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly lineage: string;
  readonly createdMs: number;
  /** making: not handed to the engine yet. reverting: its bytes are to be replaced by those of `source`. */
  readonly phase: 'making' | 'ready' | 'reverting' | 'deleting' | 'failed';
  readonly error?: string;
  /** Where its bytes came from, and whether they are all here. */
  readonly source?: SnapshotPlace;
  readonly copyOf?: string;
  /** making, reverting: those that the engine is to be told of. */
  readonly limits?: VolumeLimits;
  readonly filled: boolean;
  /** The source was to be deleted while it was still needed: it goes once the volume is filled. */
  readonly dropSource?: boolean;
  readonly baseInstead?: BaseInstead;
  readonly jobs: readonly Job[];
}

/** Some of its bytes are still read from where it came from. */
export const needsSource = (record: VolumeRecord): boolean => record.source !== undefined && !record.filled;

export function encodeVolumeRecord(record: VolumeRecord): Buffer {
  const body = Buffer.from(`${JSON.stringify(record)}\n`);
  const encoded = Buffer.concat([Buffer.from(`${MAGIC} ${VERSION} ${checksum(body)}\n`), body]);
  assert(decodeVolumeRecord(encoded, record.id).id === record.id, 'a record reads back as it was written');
  return encoded;
}

/** Fault VolumeBroken for anything that is not exactly what `encodeVolumeRecord` made. */
export function decodeVolumeRecord(bytes: Buffer, id: string): VolumeRecord {
  const end = bytes.indexOf(0x0a);
  const [magic, version, sum] = bytes.toString('utf8', 0, Math.max(0, end)).split(' ');
  if (magic !== MAGIC) throw damaged(id, 'it is not a volume record');
  if (version !== VERSION) throw damaged(id, `version ${version} is not known`);
  const body = bytes.subarray(end + 1);
  if (checksum(body) !== sum) throw damaged(id, 'its checksum does not match');
  const record = JSON.parse(body.toString('utf8')) as VolumeRecord;
  if (record.id !== id) throw damaged(id, `it is of volume ${record.id}`);
  return record;
}

const checksum = (bytes: Uint8Array): string => xxh64(bytes).toString(16).padStart(16, '0');

const damaged = (id: string, reason: string): Fault =>
  new Fault(volumeFaults.broken, { id, reason }, `the record of volume ${id} cannot be used: ${reason}`);
