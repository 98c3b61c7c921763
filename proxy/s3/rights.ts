/**
 * Bucket policy, ownership controls and public access block: reading, setting and removing the documents. They lie in the
 * container's record as proxy/object/bucket-rights.ts says; changing one is a conditional round like any change of a
 * container, and every proxy knows within its container cache's two seconds.
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { NO_BLOCK, type PublicAccessBlock, type RightsDocuments } from '../object/bucket-rights.ts';
import type { ContainerRef } from '../object/contract.ts';
import { DEFAULT_OWNERSHIP, isPrivate } from '../object/grants.ts';
import { POLICY_BYTES_MAX, readPolicy } from '../object/policy.ts';
import { readOwnership } from './acl.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { checkChildren, readBytes, readXml } from './xml-body.ts';

const DOCUMENT_BYTES_MAX = 16 * 1024;
const DOCUMENT_ELEMENTS_MAX = 20;
/** So that a document which is too long is told so, and not only that the request was. */
const POLICY_BODY_BYTES_MAX = 8 * POLICY_BYTES_MAX;

interface Documents {
  readonly ref: ContainerRef;
  readonly documents: RightsDocuments;
}

async function load(call: S3Call): Promise<Documents> {
  const ref = await resolve(call);
  const { s3 } = await call.world.store.headContainer(call.context, ref);
  return { ref, documents: s3 };
}

function change(call: S3Call, ref: ContainerRef, documents: RightsDocuments): Promise<void> {
  return call.world.store.updateContainer(call.context, ref, { s3: { ...documents } });
}

/** A policy is its owner's account's own: others are refused even where it lets them (AWS' reference, PutBucketPolicy). */
async function loadOwn(call: S3Call): Promise<Documents> {
  const loaded = await load(call);
  const { account, reseller } = call.context.caller;
  if (account !== loaded.ref.account && reseller !== true) {
    const fields = { Method: call.request.method, ResourceType: 'BUCKETPOLICY', AllowedMethods: '' };
    throw s3Fault('MethodNotAllowed', '', fields);
  }
  return loaded;
}

export async function getPolicy(call: S3Call): Promise<HttpResponse> {
  const { documents } = await loadOwn(call);
  if (!documents.policy) throw s3Fault('NoSuchBucketPolicy', '', { BucketName: call.bucket });
  call.headers.push('Content-Type', 'application/json');
  return { status: 200, headers: call.headers, body: documents.policy };
}

export async function putPolicy(call: S3Call): Promise<HttpResponse> {
  const bytes = await readBytes(call, { bytesMax: POLICY_BODY_BYTES_MAX, elementsMax: 0 });
  const { ref, documents } = await loadOwn(call);
  const text = bytes.toString('utf8');
  const policy = readPolicy(text, ref.container, true);
  if (documents.publicAccessBlock?.blockPublicPolicy && policy.isPublic) throw s3Fault('AccessDenied');
  await change(call, ref, { policy: text });
  return emptyAnswer(call, 204);
}

export async function deletePolicy(call: S3Call): Promise<HttpResponse> {
  const { ref, documents } = await loadOwn(call);
  if (documents.policy) await change(call, ref, { policy: null });
  return emptyAnswer(call, 204);
}

export async function getPolicyStatus(call: S3Call): Promise<HttpResponse> {
  const { ref, documents } = await load(call);
  if (!documents.policy) throw s3Fault('NoSuchBucketPolicy', '', { BucketName: call.bucket });
  const { isPublic } = readPolicy(documents.policy, ref.container);
  return xmlAnswer(call, 'PolicyStatus', xmlElement('IsPublic', isPublic));
}

export async function getOwnership(call: S3Call): Promise<HttpResponse> {
  const { ownership } = (await load(call)).documents;
  if (ownership === 'none') throw s3Fault('OwnershipControlsNotFoundError', '', { BucketName: call.bucket });
  const rule = `<Rule>${xmlElement('ObjectOwnership', ownership ?? DEFAULT_OWNERSHIP)}</Rule>`;
  return xmlAnswer(call, 'OwnershipControls', rule);
}

export async function putOwnership(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: DOCUMENT_ELEMENTS_MAX });
  const [rule, ...others] = root.children;
  if (root.name !== 'OwnershipControls' || rule?.name !== 'Rule' || others.length > 0) throw s3Fault('MalformedXML');
  checkChildren(rule, new Set(['ObjectOwnership']));
  const text = childText(rule, 'ObjectOwnership')?.trim();
  if (!text) throw s3Fault('MalformedXML');
  let ownership: ReturnType<typeof readOwnership>;
  try {
    ownership = readOwnership(text);
  } catch {
    throw s3Fault('MalformedXML');
  }
  const { ref, documents } = await load(call);
  if (ownership === 'BucketOwnerEnforced' && documents.acl && !isPrivate(documents.acl)) {
    throw s3Fault('InvalidBucketAclWithObjectOwnership');
  }
  await change(call, ref, { ownership });
  return emptyAnswer(call, 200);
}

/** Without any, ACLs are on, as in buckets from before there was ownership. */
export async function deleteOwnership(call: S3Call): Promise<HttpResponse> {
  const { ref } = await load(call);
  await change(call, ref, { ownership: 'none' });
  return emptyAnswer(call, 204);
}

const BLOCK_NAMES = [
  ['BlockPublicAcls', 'blockPublicAcls'],
  ['IgnorePublicAcls', 'ignorePublicAcls'],
  ['BlockPublicPolicy', 'blockPublicPolicy'],
  ['RestrictPublicBuckets', 'restrictPublicBuckets'],
] as const satisfies readonly (readonly [element: string, field: keyof PublicAccessBlock])[];
const BLOCK_ELEMENTS: ReadonlySet<string> = new Set(BLOCK_NAMES.map(([element]) => element));

export async function getBlock(call: S3Call): Promise<HttpResponse> {
  const { publicAccessBlock: block } = (await load(call)).documents;
  if (!block) throw s3Fault('NoSuchPublicAccessBlockConfiguration', '', { BucketName: call.bucket });
  const inner = BLOCK_NAMES.map(([element, field]) => xmlElement(element, block[field])).join('');
  return xmlAnswer(call, 'PublicAccessBlockConfiguration', inner);
}

export async function putBlock(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: DOCUMENT_ELEMENTS_MAX });
  if (root.name !== 'PublicAccessBlockConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, BLOCK_ELEMENTS);
  const { ref } = await load(call);
  await change(call, ref, { publicAccessBlock: readBlock(root) });
  return emptyAnswer(call, 200);
}

function readBlock(root: XmlElement): PublicAccessBlock {
  const block: { -readonly [field in keyof PublicAccessBlock]: boolean } = { ...NO_BLOCK };
  for (const [element, field] of BLOCK_NAMES) {
    const text = childText(root, element)?.trim().toLowerCase() ?? 'false';
    if (text !== 'true' && text !== 'false') throw s3Fault('MalformedXML');
    block[field] = text === 'true';
  }
  return block;
}

export async function deleteBlock(call: S3Call): Promise<HttpResponse> {
  const { ref, documents } = await load(call);
  if (documents.publicAccessBlock) await change(call, ref, { publicAccessBlock: null });
  return emptyAnswer(call, 204);
}
