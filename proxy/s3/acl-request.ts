/**
 * S3 ACLs as requests write them: a canned name, x-amz-grant- headers, or an XML document; and the document as answers
 * show it. Translates only: what an ACL gives is decided in proxy/object/grants.ts.
 */
import { isFault } from '../../fabric/errors.ts';
import { childText, type XmlElement, xmlElement, xmlFaults } from '../../fabric/xml.ts';
import {
  type Acl,
  type AclGrant,
  type AclRequest,
  CANNED,
  type Canned,
  GRANTS_MAX,
  GROUPS,
  type Group,
  PERMISSIONS,
  type Permission,
} from '../object/acl-types.ts';
import { ownerXml, type S3Call } from './call.ts';
import { s3Fault } from './errors.ts';
import { readOptionalXml } from './xml-body.ts';

const DOCUMENT_BYTES_MAX = 64 * 1024;
const DOCUMENT_ELEMENTS_MAX = 1000;
const GROUP_URI: Readonly<Record<Group, string>> = {
  AllUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  AuthenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  LogDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
};
const GRANT_HEADERS: readonly (readonly [name: string, permission: Permission])[] = [
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
];

/** Of the headers; undefined when they say nothing. */
export function readAclHeaders(call: S3Call): AclRequest | undefined {
  const { headers } = call.request;
  const canned = headers.get('x-amz-acl');
  const grants: AclGrant[] = [];
  for (const [name, permission] of GRANT_HEADERS) {
    const value = headers.get(name);
    if (value !== undefined) grants.push(...readGrantees(call, name, value).map((to) => ({ ...to, permission })));
  }
  if (canned !== undefined && grants.length > 0) {
    throw s3Fault('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed');
  }
  if (grants.length > GRANTS_MAX) throw s3Fault('InvalidRequest', `An ACL has ${GRANTS_MAX} grants at most`);
  if (grants.length > 0) return { grants };
  return canned === undefined ? undefined : { canned: readCanned(call, canned) };
}

function readCanned({ key }: S3Call, name: string): Canned {
  const canned = CANNED.find((each) => each === name);
  // Logs are delivered to buckets; the group has no members here.
  if (canned !== undefined && (canned !== 'log-delivery-write' || key === '')) return canned;
  if (name === 'aws-exec-read') {
    throw s3Fault('NotImplemented', `There is nobody here to whom ${name} could grant anything.`);
  }
  throw s3Fault('InvalidArgument', '', { ArgumentName: 'x-amz-acl', ArgumentValue: name });
}

/** `id="AUTH_test2", uri="http://…/AllUsers"`, quotes optional. */
function readGrantees(call: S3Call, header: string, value: string): Omit<AclGrant, 'permission'>[] {
  return value.split(',').map((piece) => {
    const match = /^\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]*)"|([^\s"]+))\s*$/i.exec(piece);
    if (!match) throw s3Fault('InvalidArgument', '', { ArgumentName: header, ArgumentValue: value });
    const text = match[2] ?? match[3] ?? '';
    switch ((match[1] as string).toLowerCase()) {
      case 'id':
        return { id: readId(call, text) };
      case 'uri':
        return { group: readGroup(text) };
      default:
        throw s3Fault('UnresolvableGrantByEmailAddress');
    }
  });
}

function readGroup(uri: string): Group {
  const group = GROUPS.find((each) => GROUP_URI[each] === uri);
  if (group === undefined) {
    throw s3Fault('InvalidArgument', 'Invalid group uri', { ArgumentName: 'uri', ArgumentValue: uri });
  }
  return group;
}

/** `AUTH_test2`, `test2` for short, or `test:member`; it must be somebody's. */
function readId(call: S3Call, id: string): string {
  const { users } = call.world;
  const colon = id.indexOf(':');
  const account = (colon < 0 ? id : id.slice(0, colon)).replace(/^AUTH_/, '');
  if (colon < 0 && users.hasAccount(account)) return `AUTH_${account}`;
  const user = colon < 0 ? undefined : users.byName(account, id.slice(colon + 1));
  if (user === undefined) {
    throw s3Fault('InvalidArgument', 'Invalid id', { ArgumentName: 'CanonicalUser/ID', ArgumentValue: id });
  }
  // An account's owner goes by the account.
  return user.admin ? `AUTH_${account}` : `${account}:${user.name}`;
}

/** Headers or a document, of PutBucketAcl and PutObjectAcl. */
export async function readAclRequest(call: S3Call): Promise<AclRequest> {
  const fromHeaders = readAclHeaders(call);
  const root = await readRoot(call);
  if (fromHeaders !== undefined && root !== undefined) {
    throw s3Fault('UnexpectedContent', 'This request does not support content');
  }
  if (root !== undefined) return readDocument(call, root);
  if (fromHeaders !== undefined) return fromHeaders;
  throw s3Fault('MissingSecurityHeader', 'Your request was missing a required header: x-amz-acl');
}

async function readRoot(call: S3Call): Promise<XmlElement | undefined> {
  try {
    return await readOptionalXml(call, { bytesMax: DOCUMENT_BYTES_MAX, elementsMax: DOCUMENT_ELEMENTS_MAX });
  } catch (error) {
    throw isFault(error, xmlFaults.malformed) ? s3Fault('MalformedACLError') : error;
  }
}

function readDocument(call: S3Call, root: XmlElement): AclRequest {
  const list = root.children.find((child) => child.name === 'AccessControlList');
  if (root.name !== 'AccessControlPolicy' || list === undefined) throw s3Fault('MalformedACLError');
  if (root.children.some(({ name }) => name !== 'Owner' && name !== 'AccessControlList')) {
    throw s3Fault('MalformedACLError');
  }
  if (list.children.length > GRANTS_MAX) throw s3Fault('MalformedACLError');
  const owner = root.children.find((child) => child.name === 'Owner');
  const ownerId = owner && childText(owner, 'ID');
  if (owner !== undefined && !ownerId) throw s3Fault('MalformedACLError');
  const grants = list.children.map((grant) => readGrant(call, grant));
  return ownerId === undefined ? { grants } : { grants, owner: readId(call, ownerId) };
}

function readGrant(call: S3Call, grant: XmlElement): AclGrant {
  const grantee = grant.children.find((child) => child.name === 'Grantee');
  const permission = PERMISSIONS.find((each) => each === childText(grant, 'Permission')?.trim());
  if (grant.name !== 'Grant' || grantee === undefined || permission === undefined) throw s3Fault('MalformedACLError');
  const [id, uri] = [childText(grantee, 'ID'), childText(grantee, 'URI')];
  if (childText(grantee, 'EmailAddress') !== undefined) throw s3Fault('UnresolvableGrantByEmailAddress');
  if ((id === undefined) === (uri === undefined)) throw s3Fault('MalformedACLError');
  return id === undefined ? { group: readGroup(uri as string), permission } : { id: readId(call, id), permission };
}

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

export function aclXml({ owner, grants }: Acl): string {
  let xml = '';
  for (const { id, group, permission } of grants) {
    const grantee =
      group === undefined
        ? ownerXml('Grantee', id ?? '').replace('<Grantee>', `<Grantee ${XSI} xsi:type="CanonicalUser">`)
        : `<Grantee ${XSI} xsi:type="Group">${xmlElement('URI', GROUP_URI[group])}</Grantee>`;
    xml += `<Grant>${grantee}${xmlElement('Permission', permission)}</Grant>`;
  }
  return `${ownerXml('Owner', owner)}<AccessControlList>${xml}</AccessControlList>`;
}
