/**
 * Configurations that clients read as a matter of course and whose answer is known: there is none here. Never accepts
 * one (proxy/s3/operations.ts refuses the writes).
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { checkOwnAccount } from './acl.ts';
import { checkVersionId, type Operation, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { type S3Code, s3Fault } from './errors.ts';

/** Answers that there is no such configuration, in the words of `code`. */
export function absentConfiguration(code: S3Code): Operation {
  return async (call) => {
    await checkReader(call);
    throw s3Fault(code, '', { BucketName: call.bucket });
  };
}

/** Answers the document of a bucket on which nothing was ever set. */
export function emptyConfiguration(element: string, inner: string): Operation {
  return async (call) => {
    await checkReader(call);
    return xmlAnswer(call, element, inner);
  };
}

async function checkReader(call: S3Call): Promise<void> {
  const ref = await resolve(call);
  await call.world.store.headContainer(call.context, ref);
  checkOwnAccount(call, ref.account);
}

export async function emptyTagging(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  await call.world.store.headObject(call.context, await resolveObject(call));
  return xmlAnswer(call, 'Tagging', '<TagSet></TagSet>');
}
