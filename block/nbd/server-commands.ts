/**
 * One request against a device: checks that a client may ask for it, calls the device, makes the reply. Holds no state and
 * sends nothing. Every reply is complete in itself, so that replies of different requests never mix.
 */
import { assert } from '../../fabric/assert.ts';
import { isFault } from '../../fabric/errors.ts';
import type { NbdDevice, ReadPiece } from './contract.ts';
import {
  CHUNK_DONE,
  commandFlags,
  commands,
  deviceFaultCodes,
  encodeDataChunk,
  encodeErrorChunk,
  encodeHoleChunk,
  encodeSimpleReply,
  encodeStatusChunk,
  errnos,
  type Request,
} from './nbd-format.ts';
import { blockSizesOf } from './server-handshake.ts';

/** Of one reply to a block status request; clients ask again from its end. */
export const EXTENTS_MAX = 65_536;
/** Zeroes for clients without holes, sent as often as it takes. */
const ZEROES = Buffer.alloc(256 * 1024);

export interface Session {
  readonly device: NbdDevice;
  readonly structured: boolean;
  readonly contexts: readonly string[];
}

const flagsAllowed: Readonly<Record<number, number>> = {
  [commands.read]: commandFlags.fua | commandFlags.dontFragment,
  [commands.write]: commandFlags.fua,
  [commands.flush]: commandFlags.fua,
  [commands.trim]: commandFlags.fua,
  [commands.cache]: commandFlags.fua,
  [commands.writeZeroes]: commandFlags.fua | commandFlags.noHole | commandFlags.fastZero,
  [commands.blockStatus]: commandFlags.fua | commandFlags.requestOne,
};

const writing = new Set<number>([commands.write, commands.trim, commands.writeZeroes]);

/** 0, or why the request is refused before anything is done. */
export function refusalOf(session: Session, request: Readonly<Request>): number {
  const { device } = session;
  const { type, offset, length } = request;
  const allowed = flagsAllowed[type];
  if (allowed === undefined || (request.flags & ~allowed) !== 0) return errnos.EINVAL;
  if (writing.has(type) && device.readOnly) return errnos.EPERM;
  if (!offered(session, type)) return errnos.EINVAL;
  if (type === commands.flush) return 0;
  const { minimum, maximum } = blockSizesOf(device);
  if (length === 0 || offset % minimum !== 0 || length % minimum !== 0) return errnos.EINVAL;
  if (offset + length > device.sizeBytes) return writing.has(type) ? errnos.ENOSPC : errnos.EINVAL;
  const heavy = type === commands.read || type === commands.write;
  return heavy && length > maximum ? errnos.EINVAL : 0;
}

function offered({ device, contexts }: Session, type: number): boolean {
  if (type === commands.write) return device.write !== undefined;
  if (type === commands.flush) return device.flush !== undefined;
  if (type === commands.trim) return device.trim !== undefined;
  if (type === commands.writeZeroes) return device.writeZeroes !== undefined;
  if (type === commands.cache) return device.cache !== undefined;
  return type === commands.read || contexts.length > 0;
}

/** Buffers of the whole reply. Throws what the device throws. */
export async function perform(
  session: Session,
  request: Readonly<Request>,
  body: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  const { device } = session;
  const { type, offset, length, flags } = request;
  const fua = (flags & commandFlags.fua) !== 0;
  if (type === commands.read) return replyToRead(session, request, await device.read(offset, length));
  if (type === commands.blockStatus) return status(session, request);
  if (type === commands.write) await device.write?.(offset, body, { fua });
  else if (type === commands.flush) await device.flush?.();
  else if (type === commands.trim) await device.trim?.(offset, length, { fua });
  else if (type === commands.cache) await device.cache?.(offset, length);
  else {
    const noHole = (flags & commandFlags.noHole) !== 0;
    await device.writeZeroes?.(offset, length, { fua, noHole, fast: (flags & commandFlags.fastZero) !== 0 });
  }
  return [encodeSimpleReply(request, 0)];
}

/** For failures of the device and for refusals. */
export function replyWithError(session: Session, request: Readonly<Request>, error: unknown): readonly Uint8Array[] {
  const errno = typeof error === 'number' ? error : errnoOf(error);
  const chunked = request.type === commands.read || request.type === commands.blockStatus;
  if (!session.structured || !chunked) return [encodeSimpleReply(request, errno)];
  return [encodeErrorChunk(request, errno, isFault(error) ? error.message : '')];
}

function errnoOf(error: unknown): number {
  return isFault(error) ? (deviceFaultCodes[error.code] ?? errnos.EIO) : errnos.EIO;
}

function lengthOf(piece: ReadPiece): number {
  return 'holeBytes' in piece ? piece.holeBytes : piece.length;
}

function replyToRead(
  session: Session,
  request: Readonly<Request>,
  read: Uint8Array | readonly ReadPiece[],
): readonly Uint8Array[] {
  const pieces = read instanceof Uint8Array ? [read] : read;
  const total = pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
  assert(total === request.length, () => `device read ${total} bytes instead of ${request.length}`);
  if (!session.structured) return [encodeSimpleReply(request, 0), ...pieces.flatMap(bytesOf)];
  if ((request.flags & commandFlags.dontFragment) === 0 && pieces.some((piece) => 'holeBytes' in piece))
    return chunksOf(request, pieces);
  const header = encodeDataChunk(request, CHUNK_DONE, request.offset, total);
  return pieces.length === 1 && read instanceof Uint8Array ? [header, read] : [header, ...pieces.flatMap(bytesOf)];
}

function bytesOf(piece: ReadPiece): Uint8Array[] {
  if (!('holeBytes' in piece)) return [piece];
  const out: Uint8Array[] = [];
  for (let left = piece.holeBytes; left > 0; left -= ZEROES.length)
    out.push(left >= ZEROES.length ? ZEROES : ZEROES.subarray(0, left));
  return out;
}

/** One chunk a piece, the last one marked. */
function chunksOf(request: Readonly<Request>, pieces: readonly ReadPiece[]): Uint8Array[] {
  const full = pieces.filter((piece) => lengthOf(piece) > 0);
  const out: Uint8Array[] = [];
  let at = request.offset;
  for (const [index, piece] of full.entries()) {
    const flags = index === full.length - 1 ? CHUNK_DONE : 0;
    const length = lengthOf(piece);
    if ('holeBytes' in piece) out.push(encodeHoleChunk(request, flags, at, length));
    else out.push(encodeDataChunk(request, flags, at, length), piece);
    at += length;
  }
  return out;
}

/** A chunk for each context, clipped to the request; DONE on the last. */
async function status(session: Session, request: Readonly<Request>): Promise<readonly Uint8Array[]> {
  const { device, contexts } = session;
  const { offset, length } = request;
  const only = (request.flags & commandFlags.requestOne) !== 0;
  const chunks: Uint8Array[] = [];
  for (const [id, context] of contexts.entries()) {
    const extents = (await device.status?.(context, offset, length)) ?? [];
    assert(extents[0]?.offset === offset, 'extents begin where they were asked for');
    const wire = merged(extents, offset + length, only ? 1 : EXTENTS_MAX);
    chunks.push(encodeStatusChunk(request, id === contexts.length - 1 ? CHUNK_DONE : 0, id, wire));
  }
  return chunks;
}

function merged(extents: readonly { offset: number; length: number; flags: number }[], end: number, most: number) {
  const wire: { length: number; flags: number }[] = [];
  for (const { offset, length, flags } of extents) {
    const clipped = Math.min(length, end - offset);
    if (clipped <= 0) break;
    const last = wire.at(-1);
    if (last?.flags === flags) last.length += clipped;
    else if (wire.length === most) break;
    else wire.push({ length: clipped, flags });
  }
  return wire;
}
