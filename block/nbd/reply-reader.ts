/**
 * Takes a server's bytes apart into replies of calls that wait for them. Bytes of a read land in the call's own buffer, in
 * place where the socket read them there. Believes nothing: every length, offset and cookie is checked before it is used, and
 * whatever no correct server sends is a MalformedNbd. Knows no sockets and no timers.
 */
import type { Coverage } from './coverage.ts';
import {
  CHUNK_DONE,
  CHUNK_ERROR_BIT,
  CHUNK_HEADER_BYTES,
  CHUNK_OFFSET_BYTES,
  chunkTypes,
  decodeError,
  decodeHole,
  decodeReplyHeader,
  decodeStatus,
  ERROR_BYTES_MAX,
  ERROR_BYTES_MIN,
  emptyReplyHeader,
  HOLE_BYTES,
  MalformedNbd,
  readU64,
  replyHeaderBytes,
  SIMPLE_REPLY_BYTES,
  STATUS_CONTEXT_BYTES,
  STATUS_EXTENT_BYTES,
  type WireExtent,
} from './nbd-format.ts';

/** Extents of one answer, as libnbd and nbdkit bound them. */
const STATUS_EXTENTS_MAX = 1024 * 1024;
const STATUS_BYTES_MAX = STATUS_CONTEXT_BYTES + STATUS_EXTENTS_MAX * STATUS_EXTENT_BYTES;
/** Memory that headers and small replies are read to; larger rests of a read go where they belong at once. */
const SCRATCH_BYTES = 64 * 1024;
const DIRECT_BYTES_MIN = 16 * 1024;
const NOWHERE = Buffer.alloc(0);

/** What the reader needs to know of a call, and what it notes there. */
export interface AwaitedReply {
  readonly kind: 'read' | 'status' | 'plain';
  readonly offset: number;
  readonly length: number;
  /** Of a read, `length` long. */
  readonly target: Buffer;
  readonly coverage: Coverage;
  /** Of a status call. */
  readonly contextId: number;
  extents: WireExtent[] | undefined;
  error: { readonly errno: number; readonly message: string } | undefined;
}

export interface ReplySink<Call extends AwaitedReply> {
  find(cookieHigh: number, cookieLow: number): Call | undefined;
  /** The reply is complete; `extents` or `error` are in the call. */
  settle(call: Call): void;
}

type Stage = 'header' | 'dataOffset' | 'payload';

export class ReplyReader<Call extends AwaitedReply> {
  readonly #sink: ReplySink<Call>;
  readonly #structured: boolean;
  readonly #contextIds: ReadonlySet<number>;
  readonly #header = emptyReplyHeader();
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #stage: Stage = 'header';
  /** Bytes the stage needs in one piece, and those of them that came in an earlier buffer. */
  #want = SIMPLE_REPLY_BYTES;
  #partial: Buffer = NOWHERE;
  #have = 0;
  /** What is left to fill of a read. */
  #into: Buffer = NOWHERE;
  #call: Call | undefined;

  constructor(
    sink: ReplySink<Call>,
    agreed: { readonly structured: boolean; readonly contextIds: ReadonlySet<number> },
  ) {
    this.#sink = sink;
    this.#structured = agreed.structured;
    this.#contextIds = agreed.contextIds;
  }

  /** Where the next bytes are best read to. */
  memory(): Buffer {
    return this.#into.length >= DIRECT_BYTES_MIN ? this.#into : this.#scratch;
  }

  /** Throws MalformedNbd; the reader is of no use after that. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) at += this.#into.length > 0 ? this.#fill(bytes, at) : this.#gather(bytes, at);
  }

  #fill(bytes: Buffer, at: number): number {
    const into = this.#into;
    const count = Math.min(into.length, bytes.length - at);
    const inPlace = bytes.buffer === into.buffer && bytes.byteOffset + at === into.byteOffset;
    if (!inPlace) bytes.copy(into, 0, at, at + count);
    this.#into = into.subarray(count);
    if (this.#into.length === 0) this.#endOfReply();
    return count;
  }

  #gather(bytes: Buffer, at: number): number {
    if (this.#have === 0 && bytes.length - at >= this.#want) {
      const used = this.#step(bytes.subarray(at, at + this.#want));
      if (used > 0) return used;
    }
    if (this.#partial.length < this.#want) this.#growPartial();
    const count = Math.min(this.#want - this.#have, bytes.length - at);
    bytes.copy(this.#partial, this.#have, at, at + count);
    this.#have += count;
    if (this.#have === this.#want && this.#step(this.#partial.subarray(0, this.#want)) > 0) {
      this.#have = 0;
      this.#partial = NOWHERE;
    }
    return count;
  }

  #growPartial(): void {
    const larger = Buffer.allocUnsafe(this.#want);
    this.#partial.copy(larger, 0, 0, this.#have);
    this.#partial = larger;
  }

  /** Bytes used, all or none: none means that the stage found out that it wants more. */
  #step(field: Buffer): number {
    const { length } = field;
    if (this.#stage === 'payload') this.#payload(field);
    else if (this.#stage === 'dataOffset') this.#dataOffset(field);
    else if (length < replyHeaderBytes(field, 0)) {
      this.#want = CHUNK_HEADER_BYTES;
      return 0;
    } else this.#startReply(field);
    return length;
  }

  #startReply(field: Buffer): void {
    const header = this.#header;
    decodeReplyHeader(field, 0, header);
    if (header.structured && !this.#structured) throw new MalformedNbd('structured reply that was not agreed on');
    const call = this.#sink.find(header.cookieHigh, header.cookieLow);
    if (call === undefined) throw new MalformedNbd('reply to nothing that was asked');
    this.#call = call;
    if (header.structured) this.#startChunk(call);
    else this.#simple(call);
  }

  #simple(call: Call): void {
    const { errno } = this.#header;
    if (call.kind === 'status' && errno === 0) throw new MalformedNbd('simple reply to a block status request');
    if (call.kind === 'read' && this.#structured) throw new MalformedNbd('simple reply to a read');
    if (errno !== 0) call.error = { errno, message: '' };
    else if (call.kind === 'read') {
      call.coverage.add(0, call.length);
      this.#into = call.target;
      return;
    }
    this.#endOfReply();
  }

  #startChunk(call: Call): void {
    const { type, length, flags } = this.#header;
    if (type === chunkTypes.none) {
      if (length !== 0 || (flags & CHUNK_DONE) === 0) throw new MalformedNbd('empty chunk that is none');
      return this.#endOfReply();
    }
    if (type === chunkTypes.data) {
      if (call.kind !== 'read' || length <= CHUNK_OFFSET_BYTES || length - CHUNK_OFFSET_BYTES > call.length)
        throw new MalformedNbd(`data chunk of ${length} bytes`);
      return this.#next('dataOffset', CHUNK_OFFSET_BYTES);
    }
    if (!payloadFits(type, length, call)) throw new MalformedNbd(`chunk of type ${type} with ${length} bytes`);
    this.#next('payload', length);
  }

  #next(stage: Stage, want: number): void {
    this.#stage = stage;
    this.#want = want;
  }

  #dataOffset(field: Buffer): void {
    const call = this.#call as Call;
    const length = this.#header.length - CHUNK_OFFSET_BYTES;
    const start = cover(call, readU64(field, 0), length);
    this.#into = call.target.subarray(start, start + length);
  }

  #payload(field: Buffer): void {
    const call = this.#call as Call;
    const { type } = this.#header;
    if (type === chunkTypes.hole) {
      const { offset, length } = decodeHole(field);
      const start = cover(call, offset, length);
      call.target.fill(0, start, start + length);
    } else if (type === chunkTypes.status) {
      this.#status(call, field);
    } else call.error ??= decodeError(field);
    this.#endOfReply();
  }

  /** One chunk comes for each context that was agreed on, whichever was meant. */
  #status(call: Call, field: Buffer): void {
    const { contextId, extents } = decodeStatus(field);
    if (!this.#contextIds.has(contextId)) throw new MalformedNbd('block status of a context that was not agreed on');
    if (contextId !== call.contextId) return;
    if (call.extents) throw new MalformedNbd('block status of the same context twice');
    call.extents = extents;
  }

  /** Of a simple reply or of a chunk. */
  #endOfReply(): void {
    const call = this.#call as Call;
    const done = (this.#header.flags & CHUNK_DONE) !== 0;
    this.#call = undefined;
    this.#next('header', SIMPLE_REPLY_BYTES);
    if (!done) return;
    if (call.error === undefined) {
      if (call.kind === 'read' && !call.coverage.covers(call.length)) throw new MalformedNbd('read with bytes missing');
      if (call.kind === 'status' && !call.extents) throw new MalformedNbd('block status without extents');
    }
    this.#sink.settle(call);
  }
}

function payloadFits(type: number, length: number, call: AwaitedReply): boolean {
  if (type === chunkTypes.hole) return call.kind === 'read' && length === HOLE_BYTES;
  if (type === chunkTypes.status) return call.kind === 'status' && length <= STATUS_BYTES_MAX && length > 0;
  return (type & CHUNK_ERROR_BIT) !== 0 && length >= ERROR_BYTES_MIN && length <= ERROR_BYTES_MAX;
}

/** Where in the call's buffer the bytes belong. */
function cover(call: AwaitedReply, offset: number, length: number): number {
  const start = offset - call.offset;
  if (length === 0 || start < 0 || start + length > call.length) throw new MalformedNbd('bytes outside of the read');
  if (!call.coverage.add(start, length)) throw new MalformedNbd('bytes that came before');
  return start;
}
