/**
 * Configurations of buckets that can say one thing here: what holds for every bucket anyway. That is answered, and accepted
 * from clients that say it; whatever would change something is refused. Lists of what can never be made are empty.
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { checkVersionId, emptyAnswer, type Operation, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { type S3Code, s3Fault } from './errors.ts';
import { checkChildren, readXml } from './xml-body.ts';

const RESTORE_NAMES: ReadonlySet<string> = new Set([
  'Days',
  'Description',
  'GlacierJobParameters',
  'OutputLocation',
  'SelectParameters',
  'Tier',
  'Type',
]);
const DOCUMENT = { bytesMax: 64 * 1024, elementsMax: 200 } as const;

/** Answers that there is no such configuration, in the words of `code`. */
export function absentConfiguration(code: S3Code): Operation {
  return async (call) => {
    await checkRight(call);
    throw s3Fault(code, '', { BucketName: call.bucket });
  };
}

/** Answers the document of a bucket on which nothing was ever set. */
export function emptyConfiguration(element: string, inner = ''): Operation {
  return async (call) => {
    await checkRight(call);
    return xmlAnswer(call, element, inner);
  };
}

/** Removing what never is there. */
export async function nothingToDelete(call: S3Call): Promise<HttpResponse> {
  await checkRight(call);
  return emptyAnswer(call, 204);
}

/** With an id one configuration is meant, which is not there; without, all of them. */
export function noConfigurations(element: string): Operation {
  const [one, all] = [
    absentConfiguration('NoSuchConfiguration'),
    emptyConfiguration(element, xmlElement('IsTruncated', false)),
  ];
  return (call) => (call.query.has('id') ? one(call) : all(call));
}

/** Whether the caller may: the operation says for what. */
async function checkRight(call: S3Call): Promise<Readonly<Record<string, unknown>>> {
  return (await call.world.store.headContainer(call.context, await resolve(call))).s3;
}

export async function putPayment(call: S3Call): Promise<HttpResponse> {
  const payer = await readWord(call, 'RequestPaymentConfiguration', 'Payer');
  if (payer === 'Requester') throw s3Fault('NotImplemented', 'Nobody is billed here.');
  if (payer !== 'BucketOwner') throw s3Fault('MalformedXML');
  await checkRight(call);
  return emptyAnswer(call, 200);
}

/** Only that it is off: shown afterwards, as what was never said is not. */
export async function putAccelerate(call: S3Call): Promise<HttpResponse> {
  const status = await readWord(call, 'AccelerateConfiguration', 'Status');
  if (status === 'Enabled') throw s3Fault('NotImplemented', 'There is no transfer acceleration.');
  if (status !== 'Suspended') throw s3Fault('MalformedXML');
  await call.world.store.updateContainer(call.context, await resolve(call), { s3: { accelerate: status } });
  return emptyAnswer(call, 200);
}

export async function getAccelerate(call: S3Call): Promise<HttpResponse> {
  const { accelerate } = await checkRight(call);
  return xmlAnswer(call, 'AccelerateConfiguration', accelerate ? xmlElement('Status', 'Suspended') : '');
}

/** Only that nothing is logged. */
export async function putLogging(call: S3Call): Promise<HttpResponse> {
  const root = await readRoot(call, 'BucketLoggingStatus', 'LoggingEnabled');
  if (root.children.length > 0) throw s3Fault('NotImplemented', 'Access logs are not delivered to buckets.');
  await checkRight(call);
  return emptyAnswer(call, 200);
}

async function readWord(call: S3Call, element: string, name: string): Promise<string | undefined> {
  return childText(await readRoot(call, element, name), name)?.trim();
}

async function readRoot(call: S3Call, element: string, name: string): Promise<XmlElement> {
  const root = await readXml(call, DOCUMENT);
  if (root.name !== element) throw s3Fault('MalformedXML');
  checkChildren(root, new Set([name]));
  return root;
}

/** RestoreObject: whatever the class of an object, it is not archived. */
export async function restoreObject(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const root = await readXml(call, DOCUMENT);
  if (root.name !== 'RestoreRequest') throw s3Fault('MalformedXML');
  checkChildren(root, RESTORE_NAMES);
  await call.world.store.headObject(call.context, await resolveObject(call));
  throw s3Fault('InvalidObjectState', "Restore is not allowed for the object's current storage class");
}
