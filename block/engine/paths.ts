/**
 * Where a volume's files and sockets are. Sockets lie in one short directory under a hash of the volume's id, because a unix
 * socket's path holds at most 107 bytes and a volume's directory may be as deep as it likes.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { UNIX_PATH_BYTES_MAX } from '../../fabric/net.ts';

/** 80 bits: two of a million volumes of one host share a name with probability 4e-13. */
const SOCKET_NAME_DIGITS = 20;
/** `/`, hash, `-`, what it is, `.`, a slot. */
const SOCKET_SUFFIX_BYTES_MAX = 1 + SOCKET_NAME_DIGITS + 1 + 4 + SOCKET_NAME_DIGITS;

export const RUNTIME_DIR_BYTES_MAX = UNIX_PATH_BYTES_MAX - SOCKET_SUFFIX_BYTES_MAX;

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, SOCKET_NAME_DIGITS);

export interface VolumePaths {
  readonly dir: string;
  readonly state: string;
  /** The guest's bytes at their own offsets; while filling, only where the overlay says so. */
  readonly data: string;
  /** Dirty bitmaps between runs. */
  readonly bitmaps: string;
  /** While filling: which clusters are the volume's own. */
  readonly overlay: string;
  /** Overwritten bytes of an open snapshot. */
  readonly reserve: string;
  readonly log: string;
  readonly pidFile: string;
  readonly qmpSocket: string;
  readonly nbdSocket: string;
  /** The same socket while its exports are not all there: who connects finds nobody and tries again. */
  readonly nbdSocketHidden: string;
  vhostSocket(attachmentId: string): string;
  /** Pid file, control socket and key directory of an attachment's TLS front. */
  frontPidFile(attachmentId: string): string;
  frontSocket(attachmentId: string): string;
  frontKeys(attachmentId: string): string;
}

export function volumePaths(runtimeDir: string, id: string, dir: string): VolumePaths {
  const base = join(runtimeDir, short(id));
  return {
    dir,
    state: join(dir, 'volume.state'),
    data: join(dir, 'data.raw'),
    bitmaps: join(dir, 'bitmaps.qcow2'),
    overlay: join(dir, 'overlay.qcow2'),
    reserve: join(dir, 'reserve.qcow2'),
    log: join(dir, 'daemon.log'),
    pidFile: `${base}.pid`,
    qmpSocket: `${base}.qmp`,
    nbdSocket: `${base}.nbd`,
    nbdSocketHidden: `${base}.new`,
    vhostSocket: (attachmentId) => `${base}-v${short(attachmentId)}`,
    frontPidFile: (attachmentId) => `${base}-p${short(attachmentId)}`,
    frontSocket: (attachmentId) => `${base}-f${short(attachmentId)}`,
    frontKeys: (attachmentId) => join(dir, `keys-${short(attachmentId)}`),
  };
}
