/** Users, groups, roles, policies and tags as XML, and tags of a form. Pure. */
import { xmlElement } from '../../fabric/xml.ts';
import {
  arnOf,
  type IamEntity,
  type IamGroup,
  type IamPolicy,
  type IamPolicyVersion,
  type IamRole,
  type IamUser,
  iamFaults,
  type Kind,
  type Tag,
} from './contract.ts';
import { queryFault } from './errors.ts';
import { invalid, isoSecond, listOf, listXml, type QueryCall } from './query-call.ts';

const TAGS_MAX = 50;
const TAG_KEY = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;

/** As a form has it: so clients expect it. */
export const documentXml = (name: string, document: string): string => xmlElement(name, encodeURIComponent(document));

const about = (kind: Kind, name: string, row: IamEntity): string =>
  xmlElement('Path', row.path) +
  xmlElement(`${name}Name`, row.name) +
  xmlElement(`${name}Id`, row.id) +
  xmlElement('Arn', arnOf(kind, row, row.path)) +
  xmlElement('CreateDate', isoSecond(row.createdMs));

/** In lists, none has its tags. */
export const userXml = (row: IamUser): string => about('user', 'User', row);
export const groupXml = (row: IamGroup): string => about('group', 'Group', row);

export function roleXml(row: IamRole): string {
  const description = row.description === '' ? '' : xmlElement('Description', row.description);
  const age = xmlElement('MaxSessionDuration', row.maxSessionS);
  return about('role', 'Role', row) + documentXml('AssumeRolePolicyDocument', row.trust) + description + age;
}

export function policyXml(row: IamPolicy, attachments: number): string {
  return (
    about('policy', 'Policy', row) +
    xmlElement('DefaultVersionId', row.inForce) +
    xmlElement('AttachmentCount', attachments) +
    xmlElement('PermissionsBoundaryUsageCount', 0) +
    xmlElement('IsAttachable', true) +
    xmlElement('UpdateDate', isoSecond(row.updatedMs))
  );
}

export function versionXml({ inForce }: IamPolicy, { id, createdMs }: IamPolicyVersion): string {
  const isIt = xmlElement('IsDefaultVersion', id === inForce);
  return xmlElement('VersionId', id) + isIt + xmlElement('CreateDate', isoSecond(createdMs));
}

export const tagXml = ({ key, value }: Tag): string => xmlElement('Key', key) + xmlElement('Value', value);

export function tagsXml({ tags = [] }: IamEntity): string {
  return tags.length === 0 ? '' : listXml('Tags', tags.map(tagXml));
}

/** Tags of the form, no key twice in any case of letters. Fault InvalidInput. */
export function readTags(call: QueryCall): readonly Tag[] {
  const tags = listOf(call, 'Tags').map((fields) => {
    const [key = '', value = ''] = [fields.get('Key'), fields.get('Value')];
    if (!TAG_KEY.test(key))
      throw invalid('tags', `Member must satisfy regular expression pattern: ${TAG_KEY.source}`, key);
    if (!TAG_VALUE.test(value))
      throw invalid('tags', `Member must satisfy regular expression pattern: ${TAG_VALUE.source}`, value);
    if (key.toLowerCase().startsWith('aws:')) {
      throw queryFault('InvalidInput', 'Tag keys starting with aws: are reserved for internal use.');
    }
    return { key, value };
  });
  if (new Set(tags.map(({ key }) => key.toLowerCase())).size < tags.length) {
    throw queryFault('InvalidInput', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.');
  }
  return tags;
}

/** Fault LimitExceeded. */
export function withTags(had: readonly Tag[], more: readonly Tag[]): readonly Tag[] {
  const tags = [
    ...withoutTags(
      had,
      more.map(({ key }) => key),
    ),
    ...more,
  ];
  if (tags.length > TAGS_MAX) {
    throw queryFault(iamFaults.limitExceeded, `The number of tags has exceeded the limit of ${TAGS_MAX}.`);
  }
  return tags;
}

export function withoutTags(had: readonly Tag[], keys: readonly string[]): readonly Tag[] {
  const gone = new Set(keys.map((key) => key.toLowerCase()));
  return had.filter(({ key }) => !gone.has(key.toLowerCase()));
}
