/**
 * Configurations that clients read as a matter of course and whose answer is known: there is none here. Never accepts
 * one (proxy/s3/operations.ts refuses the writes).
 */
import { checkOwnAccount } from './acl.ts';
import { type Operation, resolve, type S3Call, xmlAnswer } from './call.ts';
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
