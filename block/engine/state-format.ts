/**
 * A volume's state file: what the next agent must know, and nothing that can be asked from the daemon. Replaced as a whole,
 * durably, before the step it announces. Holds pre-shared keys, so it is readable by its owner alone.
 *
 *     +-------------------+----------------------+----+---------------+----+
 *     | "needletail-vol 1"| xxh64, 16 hex digits | LF | JSON, UTF-8   | LF |
 *     +-------------------+----------------------+----+---------------+----+
 *       with one space between     of the JSON's bytes
 */
import { Fault } from '../../fabric/errors.ts';
import { xxh64 } from '../../fabric/hash.ts';
import { engineFaults, type FillSource, type Transport, type VolumeLimits, type VolumePhase } from './contract.ts';

const MAGIC = 'needletail-vol';
const VERSION = 1;
const HEAD = /^needletail-vol (\d+) ([0-9a-f]{16})$/;

export interface AttachmentState {
  readonly attachmentId: string;
  readonly transport: Transport;
  readonly readOnly: boolean;
  readonly secretHex?: string;
  readonly host?: string;
  readonly port?: number;
}

/** `opening` and `closing` are undone and finished by whoever adopts the volume. */
export type SnapshotStep = 'opening' | 'open' | 'closing' | 'failed';

export interface SnapshotState {
  readonly snapshotId: string;
  readonly step: SnapshotStep;
  /** closing: which way. */
  readonly keep?: boolean | undefined;
  /** Changes up to the snapshot; absent: a full scan. */
  readonly oldBitmap?: string | undefined;
  /** Changes since the snapshot. */
  readonly newBitmap: string;
  readonly baseSnapshotId?: string | undefined;
  readonly exportName: string;
  readonly sizeBytes: number;
  readonly reservedBytes: number;
  readonly failure?: string | undefined;
}

export interface BaseState {
  readonly snapshotId: string;
  readonly bitmap: string;
  /** True only while no daemon runs: the bitmap file is complete. */
  readonly saved: boolean;
}

export interface VolumeState {
  readonly id: string;
  readonly sizeBytes: number;
  readonly granularityBytes: number;
  readonly phase: VolumePhase;
  readonly limits: VolumeLimits;
  readonly attachments: readonly AttachmentState[];
  /** A daemon should be running; it is started again if it is not. */
  readonly wanted: boolean;
  readonly base?: BaseState | undefined;
  readonly snapshot?: SnapshotState | undefined;
  readonly source?: FillSource | undefined;
  /** filling: bits of everything the guest wrote since are complete (no daemon died meanwhile). */
  readonly fillWritesKnown?: boolean;
  /** Counts up: names of bitmaps and exports are never used twice. */
  readonly serial: number;
}

export function encodeState(state: VolumeState): Buffer {
  const json = Buffer.from(JSON.stringify(state));
  const sum = xxh64(json).toString(16).padStart(16, '0');
  return Buffer.concat([Buffer.from(`${MAGIC} ${VERSION} ${sum}\n`), json, Buffer.from('\n')]);
}

export function decodeState(bytes: Buffer): VolumeState {
  const lineEnd = bytes.indexOf('\n');
  const head = HEAD.exec(bytes.subarray(0, Math.max(lineEnd, 0)).toString('latin1'));
  if (!head) throw new Fault(engineFaults.badState, {}, 'not a volume state file');
  if (Number(head[1]) !== VERSION)
    throw new Fault(engineFaults.badState, { version: head[1] }, 'volume state of another version');
  const json = bytes.subarray(lineEnd + 1, -1);
  if (bytes[bytes.length - 1] !== 0x0a || xxh64(json).toString(16).padStart(16, '0') !== head[2])
    throw new Fault(engineFaults.badState, {}, 'volume state is damaged');
  return JSON.parse(json.toString('utf8')) as VolumeState;
}
