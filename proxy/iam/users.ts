/**
 * IAM: users within the caller's account, their keys and policies. The account's owner may do all of it, a user what its own
 * policies allow (`iam:CreateUser`, …), temporary keys nothing.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
 */

import { Fault } from '../../fabric/errors.ts';
import { xmlElement } from '../../fabric/xml.ts';
import { type IamDirectory, type IamKey, type IamUser, iamFaults, type UserName } from './contract.ts';
import { queryFault } from './errors.ts';
import {
  checked,
  countOf,
  invalid,
  isoSecond,
  type QueryAction,
  type QueryCall,
  required,
  saidOf,
  userArn,
} from './query-call.ts';

const USER_NAME = /^[\w+=,.@-]{1,64}$/;
const POLICY_NAME = /^[\w+=,.@-]{1,128}$/;
const PATH = /^(?:\/|\/[\x21-\x7e]{1,510}\/)$/;
const KEY_ID = /^\w{16,128}$/;
const PAGE = { min: 1, max: 1000, absent: 100 };
const POLICY_LENGTH_MAX = 131_072;

interface Meant {
  readonly iam: IamDirectory;
  readonly user: UserName;
}

/** Whoever may; the user is the one that the request names, or the caller. */
function meant(call: QueryCall, action: string, { isOwn = false } = {}): Meant {
  const { caller, user, parameters, iam } = call;
  const isUser = caller.own !== undefined;
  const given = parameters.get('UserName');
  if (given === undefined && isOwn && !isUser) {
    throw queryFault('ValidationError', 'Must specify userName when calling with non-User credentials');
  }
  const name = given === undefined && isOwn ? user.name : checked(call, 'UserName', USER_NAME);
  const { account } = user;
  checkMay(call, action, userArn({ account, name }));
  if (iam === undefined) throw queryFault('NotImplemented', 'There is nowhere to keep users.');
  return { iam, user: { account, name } };
}

function checkMay({ caller, user }: QueryCall, action: string, resource: string): void {
  const isOwner = caller.admin && caller.own === undefined;
  const may = user.session === undefined && (isOwner || saidOf(caller.own, `iam:${action}`, resource) === 'allow');
  if (may) return;
  const message = `User: ${userArn(user)} is not authorized to perform: iam:${action} on resource: ${resource}`;
  throw queryFault('AccessDenied', message);
}

function userXml({ id, path, name, account, createdMs }: IamUser): string {
  return (
    xmlElement('Path', path) +
    xmlElement('UserName', name) +
    xmlElement('UserId', id) +
    xmlElement('Arn', userArn({ account, name }, path)) +
    xmlElement('CreateDate', isoSecond(createdMs))
  );
}

export const createUser: QueryAction = async (call) => {
  const path = call.parameters.get('Path') ?? '/';
  if (!PATH.test(path))
    throw invalid('Path', 'It must begin and end with / and contain only printable characters', path);
  const { iam, user } = meant(call, 'CreateUser');
  return `<User>${userXml(await iam.createUser({ ...user, path }))}</User>`;
};

export const getUser: QueryAction = async (call) => {
  const { caller, user, parameters } = call;
  if (!parameters.has('UserName') && caller.own === undefined) {
    checkMay(call, 'GetUser', userArn(user));
    // From a file, which does not say since when.
    const row = {
      account: user.account,
      name: user.name,
      id: caller.user ?? '',
      path: '/',
      createdMs: 0,
      policies: {},
    };
    return `<User>${userXml(row)}</User>`;
  }
  const found = meant(call, 'GetUser', { isOwn: true });
  return `<User>${userXml(await found.iam.getUser(found.user))}</User>`;
};

export const listUsers: QueryAction = async (call) => {
  const { user, iam, parameters } = call;
  const { account } = user;
  checkMay(call, 'ListUsers', `arn:aws:iam::${account}:user/`);
  const limit = countOf(call, 'MaxItems', PAGE);
  const page = { pathPrefix: parameters.get('PathPrefix') ?? '/', after: parameters.get('Marker') ?? '', limit };
  const found = (await iam?.listUsers(account, page)) ?? [];
  const shown = found.slice(0, limit);
  const more = found.length > limit ? xmlElement('Marker', shown.at(-1)?.name ?? '') : '';
  const members = shown.map((each) => `<member>${userXml(each)}</member>`).join('');
  return `${xmlElement('IsTruncated', more !== '')}<Users>${members}</Users>${more}`;
};

export const deleteUser: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'DeleteUser');
  await iam.deleteUser(user);
  return undefined;
};

const statusOf = ({ isActive }: IamKey): string => xmlElement('Status', isActive ? 'Active' : 'Inactive');

export const createAccessKey: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'CreateAccessKey', { isOwn: true });
  const key = await iam.createKey(user);
  const inner =
    xmlElement('UserName', user.name) +
    xmlElement('AccessKeyId', key.accessKeyId) +
    statusOf(key) +
    xmlElement('SecretAccessKey', key.secretAccessKey) +
    xmlElement('CreateDate', isoSecond(key.createdMs));
  return `<AccessKey>${inner}</AccessKey>`;
};

export const listAccessKeys: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'ListAccessKeys', { isOwn: true });
  const members = (await iam.listKeys(user)).map((key) => {
    const about = xmlElement('AccessKeyId', key.accessKeyId) + statusOf(key);
    return `<member>${xmlElement('UserName', user.name)}${about}${xmlElement('CreateDate', isoSecond(key.createdMs))}</member>`;
  });
  return `${xmlElement('UserName', user.name)}<AccessKeyMetadata>${members.join('')}</AccessKeyMetadata>${xmlElement('IsTruncated', false)}`;
};

export const updateAccessKey: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'UpdateAccessKey', { isOwn: true });
  const status = required(call, 'Status');
  if (status !== 'Active' && status !== 'Inactive') {
    throw invalid('Status', 'Member must satisfy enum value set: [Active, Inactive]', status);
  }
  await iam.setKeyActive(user, checked(call, 'AccessKeyId', KEY_ID), status === 'Active');
  return undefined;
};

export const deleteAccessKey: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'DeleteAccessKey', { isOwn: true });
  await iam.deleteKey(user, checked(call, 'AccessKeyId', KEY_ID));
  return undefined;
};

export const putUserPolicy: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'PutUserPolicy');
  const document = required(call, 'PolicyDocument');
  if (document.length > POLICY_LENGTH_MAX)
    throw invalid('PolicyDocument', `Member must have length less than or equal to ${POLICY_LENGTH_MAX}`);
  await iam.putPolicy(user, checked(call, 'PolicyName', POLICY_NAME), document);
  return undefined;
};

export const getUserPolicy: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'GetUserPolicy');
  const policy = checked(call, 'PolicyName', POLICY_NAME);
  const document = (await iam.getUser(user)).policies[policy];
  if (document === undefined)
    throw new Fault(iamFaults.noSuchEntity, {}, `The user policy with name ${policy} cannot be found.`);
  const about = xmlElement('UserName', user.name) + xmlElement('PolicyName', policy);
  // As a form has it: so clients expect it.
  return about + xmlElement('PolicyDocument', encodeURIComponent(document));
};

export const listUserPolicies: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'ListUserPolicies');
  const names = Object.keys((await iam.getUser(user)).policies).sort();
  return `<PolicyNames>${names.map((name) => xmlElement('member', name)).join('')}</PolicyNames>${xmlElement('IsTruncated', false)}`;
};

export const deleteUserPolicy: QueryAction = async (call) => {
  const { iam, user } = meant(call, 'DeleteUserPolicy');
  await iam.deletePolicy(user, checked(call, 'PolicyName', POLICY_NAME));
  return undefined;
};

/** What a user of ours never has, which tools look for before they delete one. */
export function none(action: string, element: string): QueryAction {
  return async (call) => {
    const { iam, user } = meant(call, action, { isOwn: action === 'ListMFADevices' });
    await iam.getUser(user);
    return `<${element}></${element}>${xmlElement('IsTruncated', false)}`;
  };
}
