/**
 * Backups as Cinder's chunked drivers write them into an object store (version 1.0.0), to read only. Of one backup, whose
 * objects begin with a common PREFIX, e.g. volume_UUID/20260102030405/az_nova_backup_UUID:
 *
 *     PREFIX_metadata     JSON: version, backup_id, volume_id, backup_name, created_at, parent_id (null: a full one),
 *                         objects: [ { NAME: { offset, length, compression, md5 } } … ]
 *     PREFIX_sha256file   JSON: hashes of blocks, for the next incremental one; not needed to restore
 *     PREFIX-00001 …      bytes of the volume, compressed as `compression` says: none, zlib, bz2, zstd
 *
 * offset, length and md5 are of the bytes before compression. An incremental backup has what changed since its parent.
 */
import { Fault } from '../../fabric/errors.ts';

export const METADATA_SUFFIX = '_metadata';
const VERSIONS: readonly unknown[] = ['1.0.0'];
export const COMPRESSIONS = ['none', 'zlib', 'bz2', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];
/** What a driver may be told to write in one object; its default is 50 MiB. */
export const OBJECT_BYTES_MAX = 256 * 1024 * 1024;

export interface CinderPiece {
  readonly object: string;
  readonly offset: number;
  readonly length: number;
  readonly compression: Compression;
  /** 32 hex digits. */
  readonly md5: string;
}

export interface CinderBackup {
  readonly prefix: string;
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  /** As Cinder wrote it. */
  readonly createdAt: string;
  readonly parent: string | undefined;
  readonly pieces: readonly CinderPiece[];
}

export const backupFaults = {
  /** details.reason says what is wrong with it. */
  unreadable: 'UnreadableBackup',
  noSuchBackup: 'NoSuchBackup',
} as const;

export function unreadable(name: string, reason: string): Fault {
  return new Fault(backupFaults.unreadable, { name, reason }, `${name} cannot be used: ${reason}`);
}

/** Of the object NAME, which ends in `_metadata`. Fault UnreadableBackup. */
export function parseCinderMetadata(name: string, bytes: Buffer): CinderBackup {
  const json = parseJson(name, bytes);
  if (!isRecord(json)) throw unreadable(name, 'it is not a JSON object');
  if (!VERSIONS.includes(json['version'])) throw unreadable(name, `version ${String(json['version'])} is not known`);
  const { backup_id: id, volume_id: volume, parent_id: parent, objects } = json;
  if (typeof id !== 'string' || typeof volume !== 'string') throw unreadable(name, 'it names no backup or volume');
  if (!Array.isArray(objects)) throw unreadable(name, 'it lists no objects');
  return {
    prefix: name.slice(0, -METADATA_SUFFIX.length),
    ...{ id, volume },
    name: typeof json['backup_name'] === 'string' ? json['backup_name'] : '',
    createdAt: typeof json['created_at'] === 'string' ? json['created_at'] : '',
    parent: typeof parent === 'string' ? parent : undefined,
    pieces: objects.map((one) => parsePiece(name, one)),
  };
}

function parseJson(name: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw unreadable(name, 'it is not JSON');
  }
}

function parsePiece(name: string, entry: unknown): CinderPiece {
  const [object, facts] = isRecord(entry) ? (Object.entries(entry)[0] ?? []) : [];
  if (object === undefined || !isRecord(facts)) throw unreadable(name, 'an object is not described');
  const { offset, length, md5 } = facts;
  const compression = COMPRESSIONS.find((one) => one === facts['compression']);
  if (!isSize(offset) || !isSize(length) || length > OBJECT_BYTES_MAX || !isSize(offset + length)) {
    throw unreadable(name, `${object} has no place in the volume`);
  }
  if (typeof md5 !== 'string' || !/^[0-9a-f]{32}$/.test(md5)) throw unreadable(name, `${object} has no MD5`);
  if (!compression) throw unreadable(name, `${object} is compressed by ${String(facts['compression'])}`);
  return { object, offset, length, compression, md5 };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
