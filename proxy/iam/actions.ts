/**
 * Every action of the query APIs that is known here, the parameters it takes, and what is refused: docs/api-s3.md is written
 * from it. A parameter that an action does not know is refused, and an action that is not here does not exist.
 */
import type { HolderKind } from './contract.ts';
import { groupXml, roleXml, userXml } from './entities.ts';
import * as groups from './groups.ts';
import * as managed from './managed.ts';
import * as named from './named.ts';
import * as policies from './policies.ts';
import type { QueryAction } from './query-call.ts';
import * as roles from './roles.ts';
import * as sts from './sts.ts';
import * as tags from './tags.ts';
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

const TAGS = ['Tags.member.N.Key', 'Tags.member.N.Value'];

const row = (service: ActionRow['service'], name: string, takes: string, run: QueryAction, note = ''): ActionRow => ({
  ...{ service, name, run, note },
  takes: takes.split(' ').flatMap((each) => (each === 'Tags' ? TAGS : each === '' ? [] : [each])),
});

const refused = (service: ActionRow['service'], note: string, ...names: string[]): ActionRow[] =>
  names.map((name) => ({ service, name, takes: [], note }));

const TITLES = { user: 'User', group: 'Group', role: 'Role', policy: 'Policy' } as const;

function tagRows(kind: 'user' | 'role' | 'policy', subject: string): ActionRow[] {
  const title = TITLES[kind];
  return [
    row('iam', `Tag${title}`, `${subject} Tags`, tags.tag(kind), '50 each'),
    row('iam', `Untag${title}`, `${subject} TagKeys.member.N`, tags.untag(kind)),
    row('iam', `List${title}Tags`, `${subject} Marker MaxItems`, tags.listTags(kind)),
  ];
}

/** Those written into it, and those attached to it. */
function policyRows(kind: HolderKind, subject: string, size: string): ActionRow[] {
  const title = TITLES[kind];
  return [
    row('iam', `Put${title}Policy`, `${subject} PolicyName PolicyDocument`, policies.putPolicy(kind), size),
    row('iam', `Get${title}Policy`, `${subject} PolicyName`, policies.getPolicy(kind)),
    row('iam', `List${title}Policies`, `${subject} Marker MaxItems`, policies.listPolicies(kind)),
    row('iam', `Delete${title}Policy`, `${subject} PolicyName`, policies.deletePolicy(kind)),
    row('iam', `Attach${title}Policy`, `${subject} PolicyArn`, policies.attach(kind), `ten a ${kind}`),
    row('iam', `Detach${title}Policy`, `${subject} PolicyArn`, policies.detach(kind)),
    row('iam', `ListAttached${title}Policies`, `${subject} PathPrefix Marker MaxItems`, policies.listAttached(kind)),
  ];
}

export const ACTIONS: readonly ActionRow[] = [
  row(
    'sts',
    'AssumeRole',
    'RoleArn RoleSessionName DurationSeconds Policy PolicyArns.member.N.arn ExternalId',
    sts.assumeRole,
    'the role’s rights, and of them what Policy and PolicyArns allow; in an account without roles the caller’s own, and RoleArn only names the session',
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

  row('iam', 'CreateUser', 'UserName Path Tags', users.createUser, 'in the caller’s account, up to 5,000'),
  row('iam', 'GetUser', 'UserName', users.getUser),
  row('iam', 'ListUsers', 'PathPrefix Marker MaxItems', named.list('user', 'Users', userXml), 'those that IAM made'),
  row(
    'iam',
    'UpdateUser',
    'UserName NewUserName NewPath',
    named.rename('user', 'NewUserName'),
    'keys, policies and groups stay',
  ),
  row('iam', 'DeleteUser', 'UserName', named.remove('user'), 'without keys, policies and groups'),
  row('iam', 'CreateAccessKey', 'UserName', users.createAccessKey, 'two a user'),
  row('iam', 'ListAccessKeys', 'UserName Marker MaxItems', users.listAccessKeys),
  row('iam', 'UpdateAccessKey', 'UserName AccessKeyId Status', users.updateAccessKey),
  row('iam', 'DeleteAccessKey', 'UserName AccessKeyId', users.deleteAccessKey),
  row(
    'iam',
    'GetAccessKeyLastUsed',
    'AccessKeyId',
    users.getAccessKeyLastUsed,
    'to within an hour; keys that IAM made',
  ),
  row(
    'iam',
    'ListMFADevices',
    'UserName Marker MaxItems',
    named.none('user', 'MFADevices', { isOwn: true }),
    'there are none',
  ),
  ...tagRows('user', 'UserName'),
  ...policyRows('user', 'UserName', '2,048 characters a user; actions of s3 and iam count'),

  row('iam', 'CreateGroup', 'GroupName Path', groups.createGroup, 'up to 300 an account'),
  row('iam', 'GetGroup', 'GroupName Marker MaxItems', groups.getGroup),
  row('iam', 'UpdateGroup', 'GroupName NewGroupName NewPath', named.rename('group', 'NewGroupName')),
  row('iam', 'DeleteGroup', 'GroupName', named.remove('group'), 'without users and policies'),
  row('iam', 'ListGroups', 'PathPrefix Marker MaxItems', named.list('group', 'Groups', groupXml)),
  row('iam', 'AddUserToGroup', 'GroupName UserName', groups.setMember(true), 'ten groups a user'),
  row('iam', 'RemoveUserFromGroup', 'GroupName UserName', groups.setMember(false)),
  row('iam', 'ListGroupsForUser', 'UserName Marker MaxItems', groups.listGroupsForUser),
  ...policyRows('group', 'GroupName', '5,120 characters a group'),

  row(
    'iam',
    'CreatePolicy',
    'PolicyName Path PolicyDocument Description Tags',
    managed.createPolicy,
    'up to 1,500 an account, 6,144 characters each',
  ),
  row('iam', 'GetPolicy', 'PolicyArn', managed.getPolicy),
  row(
    'iam',
    'ListPolicies',
    'Scope OnlyAttached PathPrefix PolicyUsageFilter Marker MaxItems',
    managed.listPolicies,
    'of AWS’ own, those about S3 and IAM',
  ),
  row('iam', 'DeletePolicy', 'PolicyArn', managed.deletePolicy, 'attached to nothing, with one version'),
  row(
    'iam',
    'CreatePolicyVersion',
    'PolicyArn PolicyDocument SetAsDefault',
    managed.createPolicyVersion,
    'five a policy',
  ),
  row('iam', 'GetPolicyVersion', 'PolicyArn VersionId', managed.getPolicyVersion),
  row('iam', 'ListPolicyVersions', 'PolicyArn Marker MaxItems', managed.listPolicyVersions),
  row('iam', 'SetDefaultPolicyVersion', 'PolicyArn VersionId', managed.setDefaultPolicyVersion),
  row('iam', 'DeletePolicyVersion', 'PolicyArn VersionId', managed.deletePolicyVersion),
  row(
    'iam',
    'ListEntitiesForPolicy',
    'PolicyArn EntityFilter PathPrefix PolicyUsageFilter Marker MaxItems',
    managed.listEntitiesForPolicy,
  ),
  ...tagRows('policy', 'PolicyArn'),

  row(
    'iam',
    'CreateRole',
    'RoleName Path AssumeRolePolicyDocument Description MaxSessionDuration Tags',
    roles.createRole,
    'up to 1,000 an account; users, roles and accounts can be let in',
  ),
  row('iam', 'GetRole', 'RoleName', roles.getRole),
  row('iam', 'ListRoles', 'PathPrefix Marker MaxItems', named.list('role', 'Roles', roleXml)),
  row('iam', 'UpdateRole', 'RoleName Description MaxSessionDuration', roles.updateRole),
  row('iam', 'UpdateRoleDescription', 'RoleName Description', roles.updateRoleDescription),
  row('iam', 'UpdateAssumeRolePolicy', 'RoleName PolicyDocument', roles.updateAssumeRolePolicy),
  row('iam', 'DeleteRole', 'RoleName', named.remove('role'), 'without policies; its sessions end'),
  row(
    'iam',
    'ListInstanceProfilesForRole',
    'RoleName Marker MaxItems',
    named.none('role', 'InstanceProfiles'),
    'there are none',
  ),
  ...tagRows('role', 'RoleName'),
  ...policyRows('role', 'RoleName', '10,240 characters a role'),

  ...refused(
    'iam',
    'users have no passwords',
    'ChangePassword',
    'CreateLoginProfile',
    'DeleteLoginProfile',
    'GetLoginProfile',
    'UpdateLoginProfile',
    'GetAccountPasswordPolicy',
  ),
  ...refused(
    'iam',
    'nothing is bounded but by sessions',
    'PutUserPermissionsBoundary',
    'DeleteUserPermissionsBoundary',
    'PutRolePermissionsBoundary',
    'DeleteRolePermissionsBoundary',
  ),
  ...refused(
    'iam',
    'ask for each by itself',
    'GetAccountAuthorizationDetails',
    'GetAccountSummary',
    'SimulatePrincipalPolicy',
    'SimulateCustomPolicy',
  ),
  ...refused(
    'iam',
    'an account goes by its name alone',
    'CreateAccountAlias',
    'DeleteAccountAlias',
    'ListAccountAliases',
  ),
];
