/**
 * Swift's dynamic large objects as S3 shows them: whole. Their ETag says, as that of a multipart upload does, that it is no
 * MD5 of the bytes. Listings show the manifest, which is empty, as they do in Swift.
 */
import type { Conditions, ObjectInfo, ObjectRef, OpenObject } from '../object/contract.ts';
import { MANIFEST_HEADER, manifestOf, openDynamic, withoutManifest } from '../object/dynamic.ts';
import type { S3Call } from './call.ts';

export function isDynamic(info: ObjectInfo): boolean {
  return info.headers[MANIFEST_HEADER] !== undefined && manifestOf(info) !== undefined;
}

/** What a manifest stands for. */
export async function openWhole(call: S3Call, account: string, info: ObjectInfo): Promise<OpenObject> {
  const whole = await openDynamic({ store: call.world.store, context: call.context, account }, info);
  const etag = `${whole.info.etag}-${whole.segmentCount}`;
  return { info: { ...whole.info, etag, headers: withoutManifest(info.headers) }, open: whole.open };
}

/** What the source of a copy stands for, when it is a manifest and its conditions hold. */
export async function openWholeSource(
  call: S3Call,
  source: ObjectRef,
  conditions: Conditions | undefined,
): Promise<OpenObject | undefined> {
  const { store } = call.world;
  const info = await store.headObject(call.context, source, conditions === undefined ? undefined : { conditions });
  return isDynamic(info) ? openWhole(call, source.account, info) : undefined;
}
