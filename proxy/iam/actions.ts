/**
 * Every action of the query APIs that is known here, the parameters it takes, and what is refused: docs/api-s3.md is written
 * from it. A parameter that an action does not know is refused, and an action that is not here does not exist.
 */
import type { QueryAction } from './query-call.ts';
import * as sts from './sts.ts';
import * as users from './users.ts';

export interface ActionRow {
  readonly service: 'sts' | 'iam';
  readonly name: string;
  readonly takes: readonly string[];
  /** Absent: NotImplemented. */
  readonly run?: QueryAction;
  /** For the document. */
  readonly note: string;
}

export const XMLNS = {
  sts: 'https://sts.amazonaws.com/doc/2011-06-15/',
  iam: 'https://iam.amazonaws.com/doc/2010-05-08/',
} as const;

const row = (service: ActionRow['service'], name: string, takes: string, run: QueryAction, note = ''): ActionRow => ({
  ...{ service, name, run, note },
  takes: takes.split(' ').filter((each) => each !== ''),
});

const refused = (service: ActionRow['service'], note: string, ...names: string[]): ActionRow[] =>
  names.map((name) => ({ service, name, takes: [], note }));

export const ACTIONS: readonly ActionRow[] = [
  row(
    'sts',
    'AssumeRole',
    'RoleArn RoleSessionName DurationSeconds Policy',
    sts.assumeRole,
    'the caller’s own rights, and of them what Policy allows; there are no roles, RoleArn only names the session',
  ),
  row('sts', 'GetCallerIdentity', '', sts.getCallerIdentity),
  row('sts', 'GetSessionToken', 'DurationSeconds', sts.getSessionToken),
  ...refused(
    'sts',
    'no identity provider is known',
    'AssumeRoleWithSAML',
    'AssumeRoleWithWebIdentity',
    'GetFederationToken',
  ),
  ...refused('sts', 'there is nothing of the kind', 'AssumeRoot', 'DecodeAuthorizationMessage', 'GetAccessKeyInfo'),

  row('iam', 'CreateUser', 'UserName Path', users.createUser, 'in the caller’s account, up to 5,000'),
  row('iam', 'GetUser', 'UserName', users.getUser),
  row('iam', 'ListUsers', 'PathPrefix Marker MaxItems', users.listUsers, 'those that IAM made'),
  row('iam', 'DeleteUser', 'UserName', users.deleteUser),
  row('iam', 'CreateAccessKey', 'UserName', users.createAccessKey, 'two a user'),
  row('iam', 'ListAccessKeys', 'UserName MaxItems', users.listAccessKeys),
  row('iam', 'UpdateAccessKey', 'UserName AccessKeyId Status', users.updateAccessKey),
  row('iam', 'DeleteAccessKey', 'UserName AccessKeyId', users.deleteAccessKey),
  row(
    'iam',
    'PutUserPolicy',
    'UserName PolicyName PolicyDocument',
    users.putUserPolicy,
    '2,048 characters a user; actions of s3 and iam count',
  ),
  row('iam', 'GetUserPolicy', 'UserName PolicyName', users.getUserPolicy),
  row('iam', 'ListUserPolicies', 'UserName MaxItems', users.listUserPolicies),
  row('iam', 'DeleteUserPolicy', 'UserName PolicyName', users.deleteUserPolicy),
  row(
    'iam',
    'ListAttachedUserPolicies',
    'UserName PathPrefix MaxItems',
    users.none('ListAttachedUserPolicies', 'AttachedPolicies'),
    'there are none',
  ),
  row('iam', 'ListGroupsForUser', 'UserName MaxItems', users.none('ListGroupsForUser', 'Groups'), 'there are none'),
  row('iam', 'ListMFADevices', 'UserName MaxItems', users.none('ListMFADevices', 'MFADevices'), 'there are none'),
  row('iam', 'ListUserTags', 'UserName MaxItems', users.none('ListUserTags', 'Tags'), 'there are none'),
  ...refused('iam', 'the use of keys is not recorded', 'GetAccessKeyLastUsed'),
  ...refused(
    'iam',
    'users have neither passwords nor tags, and keep their names',
    'UpdateUser',
    'TagUser',
    'UntagUser',
    'CreateLoginProfile',
    'DeleteLoginProfile',
    'GetLoginProfile',
  ),
  ...refused(
    'iam',
    'policies belong to a user',
    'AttachUserPolicy',
    'DetachUserPolicy',
    'CreatePolicy',
    'ListPolicies',
  ),
  ...refused('iam', 'there are no groups', 'CreateGroup', 'DeleteGroup', 'ListGroups', 'AddUserToGroup'),
  ...refused('iam', 'there are no roles', 'CreateRole', 'DeleteRole', 'GetRole', 'ListRoles', 'PutRolePolicy'),
];
