/**
 * Tagging of objects and of buckets: read, replaced as a whole, removed. An object's tags lie in its own record, a bucket's
 * in its container's `s3` map under `tags`.
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import type { ContainerRef, Tags } from '../object/contract.ts';
import { checkTags } from '../object/tags.ts';
import { checkVersionId, emptyAnswer, pushVersion, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { readTagBody, tagSetXml } from './tags.ts';

export async function getObjectTagging(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const info = await call.world.store.headObject(call.context, await resolveObject(call));
  if (info.tags === 'hidden') throw s3Fault('AccessDenied');
  pushVersion(call.headers, info);
  return xmlAnswer(call, 'Tagging', tagSetXml(info.tags ?? []));
}

export async function putObjectTagging(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const tags = await readTagBody(call);
  call.scope.tags = tags;
  const info = await call.world.store.setObjectTags(call.context, await resolveObject(call), tags);
  pushVersion(call.headers, info);
  return emptyAnswer(call, 200);
}

export async function deleteObjectTagging(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const info = await call.world.store.setObjectTags(call.context, await resolveObject(call), []);
  pushVersion(call.headers, info);
  return emptyAnswer(call, 204);
}

async function load(call: S3Call): Promise<{ ref: ContainerRef; tags: Tags }> {
  const ref = await resolve(call);
  const { s3 } = await call.world.store.headContainer(call.context, ref);
  return { ref, tags: (s3['tags'] as Tags | null | undefined) ?? [] };
}

export async function getBucketTagging(call: S3Call): Promise<HttpResponse> {
  const { tags } = await load(call);
  if (tags.length === 0) throw s3Fault('NoSuchTagSet', '', { BucketName: call.bucket });
  return xmlAnswer(call, 'Tagging', tagSetXml(tags));
}

export async function putBucketTagging(call: S3Call): Promise<HttpResponse> {
  const tags = checkTags(await readTagBody(call), 'bucket');
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, { s3: { tags: tags.length === 0 ? null : tags } });
  return emptyAnswer(call, 204);
}

export async function deleteBucketTagging(call: S3Call): Promise<HttpResponse> {
  const { ref, tags } = await load(call);
  if (tags.length > 0) await call.world.store.updateContainer(call.context, ref, { s3: { tags: null } });
  return emptyAnswer(call, 204);
}
