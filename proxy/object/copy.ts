/**
 * Server-side copies. A large body is not copied: the new record refers to the same blobs and pins them; a body that lies
 * inline in its register is no larger than INLINE_BODY_BYTES_MAX, and goes along as a PUT's would (ADR 5).
 */
import { Fault } from '../../fabric/errors.ts';
import { borrow } from './borrow.ts';
import { checkReadConditions } from './conditions.ts';
import type {
  Body,
  BodySource,
  Context,
  CopyOptions,
  ObjectAttributes,
  ObjectInfo,
  ObjectRef,
  Tags,
} from './contract.ts';
import { storeFaults } from './contract.ts';
import { canShare, encryptionOf, resealed } from './encryption.ts';
import type { Engine } from './engine.ts';
import { createdBy } from './events.ts';
import { type Found, find, infoOf, openBody, unlocked } from './get.ts';
import { checkAttributes, checkObjectName } from './limits.ts';
import { overlaid } from './metadata.ts';
import { newAcl } from './object-acl.ts';
import type { ObjectRecord } from './object-format.ts';
import { checkNewLock } from './object-lock.ts';
import { newTags } from './object-tags.ts';
import { OBJECT_BYTES_MAX, putObject, store, writable } from './put.ts';
import { checkQuota } from './quota.ts';

export async function copyObject(
  engine: Engine,
  context: Context,
  target: ObjectRef,
  options: CopyOptions,
): Promise<{ info: ObjectInfo; source: ObjectInfo }> {
  checkObjectName(target.object);
  const found = await openSource(engine, context, options);
  const source = infoOf(found);
  const attributes = attributesFor(found.record, options);
  checkAttributes(attributes);
  if (found.record.slo)
    return { info: await copyBytes(engine, context, target, { found, attributes, options }), source };
  const container = await writable(engine, context, target);
  const encryption = encryptionOf(container.record, options.encryption);
  if (!canShare(found.record.sealed, encryption))
    return { info: await copyBytes(engine, context, target, { found, attributes, options }), source };
  await checkQuota(engine, container, source.sizeBytes);
  const acl = newAcl(container.record, context, options.acl);
  const { lock } = options;
  checkNewLock(context, target, container.record, lock);
  const wanted = options.tags ?? readableTags(source);
  const tags = wanted && newTags(container.record, context, target, wanted);
  const { extents, pins } = await borrow(engine, container, target, { found, extents: found.record.extents });
  const { version: _, acl: __, ...copied } = { ...found.record, retention: lock?.retention, hold: lock?.hold };
  const sealed = encryption && (await resealed(engine, found.record, target, encryption));
  const record: ObjectRecord = {
    ...copied,
    sealed,
    ...rename(target),
    ...recordAttributes(attributes),
    extents,
    pins,
    acl,
    tags,
  };
  const by = { context, event: createdBy(context, 'ObjectCreated:Copy') };
  return {
    info: await store(engine, container, record, { body: found.register.body, conditions: options.conditions, by }),
    source,
  };
}

/** Reads the source and writes it anew: what it is made of, or how it is encrypted, is not what the copy is to be. */
async function copyBytes(
  engine: Engine,
  context: Context,
  target: ObjectRef,
  { found, attributes, options }: { found: Found; attributes: ObjectAttributes; options: CopyOptions },
): Promise<ObjectInfo> {
  const source = infoOf(found);
  const { conditions, acl, lock, encryption, opaqueEtag } = options;
  const isWhole = (source.checksumType ?? 'FULL_OBJECT') === 'FULL_OBJECT' && !found.record.slo;
  return putObject(engine, context, target, {
    ...attributes,
    body: asSource(openBody(engine, context, found, { offset: 0, length: source.sizeBytes })),
    conditions,
    acl,
    lock,
    encryption,
    opaqueEtag,
    tags: options.tags ?? readableTags(source),
    finish: () => (isWhole ? { checksums: source.checksums } : {}),
  });
}

/** The source, when the caller may read it and its conditions hold. */
export async function openSource(
  engine: Engine,
  context: Context,
  { source, sourceConditions, sourceKey }: CopyOptions,
): Promise<Found> {
  const found = await unlocked(engine, await find(engine, context, source, true), sourceKey);
  try {
    checkReadConditions(sourceConditions, infoOf(found));
  } catch (error) {
    if (error instanceof Fault && error.code === storeFaults.notModified)
      throw new Fault(storeFaults.preconditionFailed);
    throw error;
  }
  if (found.record.size > OBJECT_BYTES_MAX) throw new Fault(storeFaults.bodyTooLarge, { limit: OBJECT_BYTES_MAX });
  return found;
}

function attributesFor(record: ObjectRecord, { directive, attributes = {}, overlay }: CopyOptions): ObjectAttributes {
  if (directive === 'replace') return attributes;
  const kept: ObjectAttributes = {
    contentType: record.type,
    user: record.user,
    headers: overlaid(record.headers, overlay),
    deleteAt: record.deleteAt,
  };
  if (directive === 'copy') return kept;
  return {
    contentType: attributes.contentType ?? kept.contentType,
    user: { ...kept.user, ...attributes.user },
    headers: { ...kept.headers, ...attributes.headers },
    deleteAt: attributes.deleteAt ?? kept.deleteAt,
  };
}

/** Who may not read the source's tags cannot copy it with them. */
export function readableTags({ tags }: ObjectInfo): Tags | undefined {
  if (tags === 'hidden') throw new Fault(storeFaults.accessDenied);
  return tags;
}

const rename = (target: ObjectRef) => ({ account: target.account, container: target.container, name: target.object });

function recordAttributes({ contentType, user, headers, deleteAt }: ObjectAttributes) {
  return { type: contentType ?? 'application/octet-stream', user, headers, deleteAt };
}

/** A body already stored, as the source of a new one. */
export function asSource(body: Body): BodySource {
  return {
    lengthBytes: body.lengthBytes,
    read: () => body.next(),
    async collect(limitBytes) {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for (let piece = await body.next(); piece; piece = await body.next()) {
        bytes += piece.length;
        if (bytes > limitBytes) throw new Fault(storeFaults.bodyTooLarge, { limit: limitBytes });
        pieces.push(piece);
      }
      return Buffer.concat(pieces);
    },
  };
}
