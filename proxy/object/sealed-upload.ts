/**
 * Takes a body in and encrypts it on the way: what put.ts does for plain ones. What is promised about the body (MD5,
 * checksums) is compared with the plain text. An ETag is the MD5 of the plain text where the store holds the key (SSE-S3)
 * or an API needs it, otherwise of what lies on disk, which says nothing about the text.
 */
import { Fault } from '../../fabric/errors.ts';
import { md5Hex } from '../../fabric/hash.ts';
import { uploadBlob } from './blob-upload.ts';
import { collectSmall } from './collect-small.ts';
import type { ContainerState } from './containers.ts';
import { type ObjectInfo, type PutOptions, storeFaults } from './contract.ts';
import type { Digest } from './digest.ts';
import type { Sealing } from './encryption.ts';
import type { Engine } from './engine.ts';
import type { Extent, Sealed } from './object-format.ts';
import { SealingBody } from './sealed-body.ts';
import {
  INLINE_DIRECT,
  type InlineStream,
  inlineKey,
  PLAIN_SEGMENT_BYTES,
  SALT_BYTES,
  sealedBytes,
  sealSegment,
  streamKey,
} from './sealed-format.ts';

export interface ReceivedSealed {
  readonly sizeBytes: number;
  /** What the ETag is made of. */
  readonly md5: string;
  readonly body?: Buffer | undefined;
  readonly extents?: readonly Extent[] | undefined;
  readonly checksums?: ObjectInfo['checksums'] | undefined;
  readonly sealed: Sealed;
}

interface Target {
  readonly container: ContainerState;
  readonly name: string;
  readonly sealing: Sealing;
  /** Of plain text. */
  readonly limit: number;
  /** Parts are never inline. */
  readonly isPart: boolean;
}

export async function receiveSealed(engine: Engine, target: Target, options: PutOptions): Promise<ReceivedSealed> {
  const { sealing, isPart } = target;
  const small = await collectSmall(options.body, isPart ? 0 : PLAIN_SEGMENT_BYTES);
  const isInline = small.whole !== undefined && !isPart;
  const taken = isInline
    ? sealWhole(engine, { sealing, options }, small.whole as Buffer)
    : await sealLarge(engine, target, { options, start: small.start ?? small.whole });
  const { plainMd5, sealedMd5, ...received } = taken;
  if (options.md5 !== undefined && options.md5 !== plainMd5)
    throw new Fault(storeFaults.badDigest, { algorithm: 'md5' });
  const finished = options.finish?.({ md5: plainMd5, sizeBytes: received.sizeBytes });
  const md5 = hidesText(sealing.sealed, options) ? sealedMd5 : plainMd5;
  return { ...received, md5, checksums: finished?.checksums };
}

/** Whether the ETag is to say nothing about the text. */
function hidesText({ mode }: Sealed, { opaqueEtag }: PutOptions): boolean {
  return mode === 'SSE-C' || (mode === 'aws:kms' && opaqueEtag === true);
}

interface Taken extends Omit<ReceivedSealed, 'md5'> {
  readonly plainMd5: string;
  readonly sealedMd5: string;
}

function sealWhole(
  engine: Engine,
  { sealing, options }: { sealing: Sealing; options: PutOptions },
  whole: Buffer,
): Taken {
  const { dataKey, sealed } = sealing;
  const stream = newInline(engine, sealed);
  const body = sealSegment(whole, { key: inlineKey(dataKey, stream), index: 0, isLast: true });
  const sealedMd5 = hidesText(sealed, options) ? md5Hex(body) : '';
  return { sizeBytes: whole.length, plainMd5: md5Hex(whole), sealedMd5, body, sealed: { ...sealed, ...stream } };
}

/** A client's key comes again and needs a salt; any other data key was made for this body. */
function newInline({ random }: Engine, { mode }: Sealed): InlineStream {
  return mode === 'SSE-C' ? { salt: Buffer.from(random.bytes(SALT_BYTES)) } : { inline: INLINE_DIRECT };
}

async function sealLarge(
  engine: Engine,
  { container, name, sealing, limit }: Target,
  { options, start }: { options: PutOptions; start: Buffer | undefined },
): Promise<Taken> {
  const { dataKey, sealed } = sealing;
  const blobId = Buffer.from(engine.random.bytes(SALT_BYTES));
  const isOpaque = hidesText(sealed, options);
  // Nobody asks for the other one.
  const plainDigest = isOpaque && options.md5 === undefined ? undefined : engine.digests.md5();
  const digest = isOpaque ? engine.digests.md5() : NO_DIGEST;
  const body = new SealingBody({
    source: options.body,
    start,
    key: streamKey(dataKey, blobId),
    digest: plainDigest,
    pool: engine.digests,
  });
  const { account, name: containerName } = container.record;
  const hash = engine.cluster.hash(account, containerName, name);
  const { allocate } = engine.digests;
  const bodyBytesMax = sealedBytes(limit);
  try {
    const at = { hash, incarnation: container.incarnation, blobId };
    const { extents } = await uploadBlob(engine, { ...at, body, digest, allocate, bodyBytesMax });
    const [plainMd5, sealedMd5] = await Promise.all([plainDigest?.hex() ?? '', digest.hex()]);
    return { sizeBytes: body.plain, extents, plainMd5, sealedMd5, sealed };
  } catch (error) {
    plainDigest?.cancel();
    throw error;
  }
}

/** Where nobody asks for the digest of what lies on disk. */
const NO_DIGEST: Digest = {
  update(_bytes, read) {
    read?.();
    return undefined;
  },
  hex: () => '',
  cancel() {},
};
