/**
 * Canned ACLs: `private` and `public-read` of buckets, kept as the container's read ACL, so that both APIs share one rule.
 * Objects have no ACLs of their own: what would give rights to one object is refused.
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import { checkVersionId, emptyAnswer, ownerXml, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { readOptionalXml } from './xml-body.ts';

const READ_ACL = 'x-container-read';
const PUBLIC_READ = '.r:*,.rlistings';
const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
const POLICY_BYTES_MAX = 64 * 1024;
const POLICY_ELEMENTS_MAX = 1000;
const ONLY_CANNED = 'Only the ACLs private and, for buckets, public-read are supported';

/** Value of x-container-read for a canned ACL: '' for private; undefined when none is given. */
export function cannedAcl(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (name === 'private' || name === 'bucket-owner-full-control') return '';
  if (name === 'public-read') return PUBLIC_READ;
  throw s3Fault(
    'AccessControlListNotSupported',
    'Of canned ACLs only private and, for buckets, public-read are supported',
  );
}

export async function getBucketAcl(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  const info = await call.world.store.headContainer(call.context, ref);
  checkOwnAccount(call, ref.account);
  const readAcl = info.metadata[READ_ACL] ?? '';
  const isPublic = readAcl.split(',').some((entry) => entry.trim() === '.r:*');
  return xmlAnswer(call, 'AccessControlPolicy', policyXml(ref.account, isPublic));
}

export async function getObjectAcl(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const ref = await resolveObject(call);
  await call.world.store.headObject(call.context, ref);
  checkOwnAccount(call, ref.account);
  return xmlAnswer(call, 'AccessControlPolicy', policyXml(ref.account, false));
}

export async function putBucketAcl(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  const acl = await readAclRequest(call, ref.account);
  const value = acl === '' ? null : acl;
  await call.world.store.updateContainer(call.context, ref, { metadata: { [READ_ACL]: value } });
  return emptyAnswer(call, 200);
}

/** Only what is true anyway: private. */
export async function putObjectAcl(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const ref = await resolveObject(call);
  if ((await readAclRequest(call, ref.account)) !== '') throw s3Fault('AccessControlListNotSupported');
  await call.world.store.headObject(call.context, ref);
  checkOwnAccount(call, ref.account);
  return emptyAnswer(call, 200);
}

/** A canned ACL in x-amz-acl, or a policy document that says what a canned one would. */
async function readAclRequest(call: S3Call, account: string): Promise<string> {
  const acl = cannedAcl(call.request.headers.get('x-amz-acl'));
  const body = await readOptionalXml(call, { bytesMax: POLICY_BYTES_MAX, elementsMax: POLICY_ELEMENTS_MAX });
  if (acl !== undefined && body !== undefined)
    throw s3Fault('InvalidRequest', 'Both a canned ACL and a policy are given');
  if (body !== undefined) return readPolicy(body, account);
  if (acl === undefined)
    throw s3Fault('MissingSecurityHeader', 'Your request was missing a required header: x-amz-acl');
  return acl;
}

function readPolicy(root: XmlElement, account: string): string {
  const list = root.children.find((child) => child.name === 'AccessControlList');
  if (root.name !== 'AccessControlPolicy' || list === undefined) throw s3Fault('MalformedXML');
  let acl = '';
  let ownerIn = false;
  for (const grant of list.children) {
    const grantee = grant.children.find((child) => child.name === 'Grantee');
    if (grantee === undefined) throw s3Fault('MalformedXML');
    const permission = childText(grant, 'Permission');
    if (childText(grantee, 'ID') === account && permission === 'FULL_CONTROL') ownerIn = true;
    else if (childText(grantee, 'URI') === ALL_USERS && permission === 'READ') acl = PUBLIC_READ;
    else throw s3Fault('AccessControlListNotSupported', ONLY_CANNED);
  }
  if (!ownerIn) throw s3Fault('AccessControlListNotSupported', ONLY_CANNED);
  return acl;
}

export function checkOwnAccount(call: S3Call, account: string): void {
  const { caller } = call.context;
  if (caller.account !== account || !caller.admin) throw s3Fault('AccessDenied');
}

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

function policyXml(account: string, isPublic: boolean): string {
  const owner = ownerXml('Grantee', account).replace('<Grantee>', `<Grantee ${XSI} xsi:type="CanonicalUser">`);
  const everybody = `<Grantee ${XSI} xsi:type="Group">${xmlElement('URI', ALL_USERS)}</Grantee>`;
  const readGrant = isPublic ? `<Grant>${everybody}<Permission>READ</Permission></Grant>` : '';
  const list = `<Grant>${owner}<Permission>FULL_CONTROL</Permission></Grant>${readGrant}`;
  return `${ownerXml('Owner', account)}<AccessControlList>${list}</AccessControlList>`;
}
