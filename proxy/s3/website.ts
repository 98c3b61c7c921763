/** GetBucketWebsite, PutBucketWebsite, DeleteBucketWebsite. website-serve.ts shows the site. */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { readWebsite, type Website, websiteXml } from './website-rules.ts';
import { readXml } from './xml-body.ts';

const DOCUMENT_BYTES_MAX = 128 * 1024;
const DOCUMENT_ELEMENTS_MAX = 1000;

export async function getWebsite(call: S3Call): Promise<HttpResponse> {
  const { s3 } = await call.world.store.headContainer(call.context, await resolve(call));
  const website = websiteOf(s3);
  if (website === undefined) throw s3Fault('NoSuchWebsiteConfiguration', '', { BucketName: call.bucket });
  return xmlAnswer(call, 'WebsiteConfiguration', websiteXml(website));
}

export async function putWebsite(call: S3Call): Promise<HttpResponse> {
  const website = readWebsite(
    await readXml(call, { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: DOCUMENT_ELEMENTS_MAX }),
  );
  await call.world.store.updateContainer(call.context, await resolve(call), { s3: { website } });
  return emptyAnswer(call, 200);
}

export async function deleteWebsite(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  const { s3 } = await call.world.store.headContainer(call.context, ref);
  if (s3['website']) await call.world.store.updateContainer(call.context, ref, { s3: { website: null } });
  return emptyAnswer(call, 204);
}

export const websiteOf = (s3: Readonly<Record<string, unknown>> | undefined): Website | undefined =>
  (s3?.['website'] as Website | null | undefined) ?? undefined;
