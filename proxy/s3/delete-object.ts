/** DeleteObject and DeleteObjects. Deleting what is not there is a success in S3. */
import { isFault } from '../../fabric/errors.ts';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, escapeXml, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { type ContainerRef, type Deleted, storeFaults } from '../object/contract.ts';
import { checkKey } from './address.ts';
import { checkVersionId, emptyAnswer, pushVersion, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { bareEtag, readDeleteConditions } from './conditions.ts';
import { answerFor, s3Fault } from './errors.ts';
import { readBypass } from './lock.ts';
import { explainIfMatch } from './put-object.ts';
import { checkChildren, readXml } from './xml-body.ts';

const KEYS_MAX = 1000;
/** A thousand keys of 1,024 bytes, each byte as a character reference, fit. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** Six for each key at most, and the root's own. */
const ELEMENTS_MAX = KEYS_MAX * 6 + 2;
const ROOT_NAMES: ReadonlySet<string> = new Set(['Object', 'Quiet']);
const OBJECT_NAMES: ReadonlySet<string> = new Set(['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size']);
/** Deletes of one request under way at a time. */
const CONCURRENCY = 16;

export async function deleteObject(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  if (call.request.headers.has('if-none-match')) throw s3Fault('NotImplemented', '', { Header: 'if-none-match' });
  const conditions = readDeleteConditions(call.request.headers);
  const ref = await resolveObject(call);
  const options = { conditions, bypassGovernance: readBypass(call) };
  const deleting = call.world.store.deleteObject(call.context, ref, options);
  const deleted = await explainIfMatch(deleting, call, { ref, conditions });
  if (deleted.deleteMarker === true) call.headers.push('x-amz-delete-marker', 'true');
  pushVersion(call.headers, deleted);
  return emptyAnswer(call, 204);
}

interface Deletion {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
}

export async function deleteObjects(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, {
    bytesMax: BODY_BYTES_MAX,
    elementsMax: ELEMENTS_MAX,
    digest: 'required',
    byAnybody: true,
  });
  if (root.name !== 'Delete') throw s3Fault('MalformedXML');
  checkChildren(root, ROOT_NAMES, 'Object');
  const quiet = childText(root, 'Quiet')?.trim().toLowerCase() === 'true';
  const wanted = root.children.filter((child) => child.name === 'Object').map(readDeletion);
  if (wanted.length === 0 || wanted.length > KEYS_MAX) throw s3Fault('MalformedXML');
  const ref = await resolve(call);
  const answers = new Array<string>(wanted.length).fill('');
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < wanted.length; index = next++) {
      answers[index] = await deleteOne(call, ref, { deletion: wanted[index]!, quiet });
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, wanted.length) }, work));
  return xmlAnswer(call, 'DeleteResult', answers.join(''));
}

function readDeletion(element: XmlElement): Deletion {
  checkChildren(element, OBJECT_NAMES);
  const key = childText(element, 'Key');
  if (key === undefined || key === '') throw s3Fault('MalformedXML');
  const etag = childText(element, 'ETag');
  if (childText(element, 'LastModifiedTime') !== undefined || childText(element, 'Size') !== undefined) {
    throw s3Fault('NotImplemented', 'Conditions on time and size are not implemented.');
  }
  return { key, versionId: childText(element, 'VersionId'), etag: etag === undefined ? undefined : bareEtag(etag) };
}

/** One element of the answer. */
async function deleteOne(
  call: S3Call,
  ref: ContainerRef,
  job: { deletion: Deletion; quiet: boolean },
): Promise<string> {
  const { key, versionId, etag } = job.deletion;
  let deleted: Deleted = { existed: false };
  try {
    checkKey(key);
    checkVersionId(versionId);
    const conditions = etag === undefined ? undefined : { ifMatch: etag === '*' ? ('*' as const) : [etag] };
    const options = { conditions, bypassGovernance: readBypass(call) };
    deleted = await call.world.store.deleteObject(call.context, { ...ref, object: key, versionId }, options);
  } catch (error) {
    if (!isFault(error, storeFaults.noSuchObject)) return errorElement(error, job.deletion, call);
  }
  if (job.quiet) return '';
  const version = versionId === undefined ? '' : xmlElement('VersionId', versionId);
  const marker =
    deleted.deleteMarker === true
      ? `<DeleteMarker>true</DeleteMarker>${xmlElement('DeleteMarkerVersionId', deleted.versionId ?? '')}`
      : '';
  return `<Deleted><Key>${escapeXml(key)}</Key>${version}${marker}</Deleted>`;
}

function errorElement(error: unknown, { key, versionId }: Deletion, call: S3Call): string {
  const answer = answerFor(error);
  if (answer.status >= 500)
    call.world.log.error({ err: error, transId: call.context.transId, key }, 'S3 delete failed');
  const names = xmlElement('Key', key) + (versionId === undefined ? '' : xmlElement('VersionId', versionId));
  return `<Error>${names}${xmlElement('Code', answer.code)}${xmlElement('Message', answer.message)}</Error>`;
}
