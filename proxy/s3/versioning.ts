/** GetBucketVersioning and PutBucketVersioning. What versions mean is the store's (docs/adr/0009-versions.md). */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, xmlElement } from '../../fabric/xml.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { checkChildren, readXml } from './xml-body.ts';

const BODY_BYTES_MAX = 64 * 1024;
const ELEMENTS_MAX = 10;
const NAMES: ReadonlySet<string> = new Set(['Status', 'MfaDelete']);

export async function getVersioning(call: S3Call): Promise<HttpResponse> {
  const { s3 } = await call.world.store.headContainer(call.context, await resolve(call));
  const state = s3['versioning'];
  return xmlAnswer(call, 'VersioningConfiguration', typeof state === 'string' ? xmlElement('Status', state) : '');
}

/** Answers when no proxy takes the bucket for what it was before: about two seconds. */
export async function putVersioning(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, { bytesMax: BODY_BYTES_MAX, elementsMax: ELEMENTS_MAX });
  if (root.name !== 'VersioningConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, NAMES);
  const state = childText(root, 'Status');
  const mfa = childText(root, 'MfaDelete');
  if (mfa !== undefined && mfa !== 'Disabled' && mfa !== 'Enabled') throw s3Fault('MalformedXML');
  if (mfa === 'Enabled' || call.request.headers.has('x-amz-mfa')) {
    throw s3Fault('NotImplemented', 'MFA delete is not implemented.');
  }
  if (state !== 'Enabled' && state !== 'Suspended') throw s3Fault('IllegalVersioningConfigurationException');
  const ref = await resolve(call);
  const { s3 } = await call.world.store.headContainer(call.context, ref);
  if (s3['versioning'] !== state) {
    await call.world.store.updateContainer(call.context, ref, { s3: { versioning: state } });
  }
  return emptyAnswer(call, 200);
}
