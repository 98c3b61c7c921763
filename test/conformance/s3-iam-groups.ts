/** IAM beyond users and their own policies: tags, other names, the use of keys, groups, managed policies. */
import { setTimeout as sleep } from 'node:timers/promises';
import { allow, iam, makeUser, newName, tag, tried } from './s3-iam.ts';
import type { Answer, Rig, S3Client, S3Suite } from './s3-rig.ts';

type Form = Readonly<Record<string, string>>;

const PATIENCE_MS = 10_000;
const all = ({ text }: Answer, name: string): string[] =>
  [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map((match) => match[1] as string);

/** Each answer's code, or its status. */
async function codes(
  client: S3Client,
  ...calls: readonly (readonly [action: string, form: Form])[]
): Promise<string[]> {
  const found: string[] = [];
  for (const [action, form] of calls) {
    const answer = await iam(client, action, form);
    found.push(answer.status === 200 ? '200' : tag(answer, 'Code'));
  }
  return found;
}

const tags = (...pairs: readonly (readonly [string, string])[]): Form =>
  Object.fromEntries(
    pairs.flatMap(([key, value], i) => [
      [`Tags.member.${i + 1}.Key`, key],
      [`Tags.member.${i + 1}.Value`, value],
    ]),
  );

export const moreOfUsers: S3Suite = {
  'tags of users': async ({ t, client }) => {
    const UserName = newName();
    const made = await iam(client, 'CreateUser', { UserName, ...tags(['team', 'red'], ['cost', '']) });
    t.same(all(made, 'Key'), ['team', 'cost']);
    t.same(
      await codes(
        client,
        ['TagUser', { UserName, ...tags(['TEAM', 'blue'], ['größe', 'α β']) }],
        ['TagUser', { UserName, ...tags(['a', '1'], ['A', '2']) }],
        ['TagUser', { UserName, ...tags(['aws:x', '1']) }],
        ['TagUser', { UserName, ...tags(['a!', '1']) }],
        ['TagUser', { UserName }],
        ['TagUser', { UserName, ...tags(...Array.from({ length: 49 }, (_, i) => [`k${i}`, ''] as const)) }],
        ['TagUser', { UserName: 'never-made', ...tags(['a', '1']) }],
        ['UntagUser', { UserName }],
        ['UntagUser', { UserName, 'TagKeys.member.1': 'Cost', 'TagKeys.member.2': 'none' }],
      ),
      ['200', 'InvalidInput', 'InvalidInput', 'ValidationError', 'ValidationError', 'LimitExceeded', 'NoSuchEntity']
        .concat('ValidationError')
        .concat('200'),
    );
    const first = await iam(client, 'ListUserTags', { UserName, MaxItems: '1' });
    t.same([all(first, 'Key'), all(first, 'Value'), tag(first, 'IsTruncated')], [['TEAM'], ['blue'], 'true']);
    const second = await iam(client, 'ListUserTags', { UserName, Marker: tag(first, 'Marker') });
    t.same([all(second, 'Key'), all(second, 'Value'), tag(second, 'IsTruncated')], [['größe'], ['α β'], 'false']);
    t.same(all(await iam(client, 'GetUser', { UserName }), 'Key'), ['TEAM', 'größe']);
    t.equal((await iam(client, 'DeleteUser', { UserName })).status, 200);
  },

  'another name': async (rig) => {
    const { t, client } = rig;
    const { name: UserName, keys } = await makeUser(client, allow('s3:*'));
    const other = await makeUser(client);
    const NewUserName = `${UserName}-now`;
    const id = tag(await iam(client, 'GetUser', { UserName }), 'UserId');
    t.same(
      await codes(
        client,
        ['UpdateUser', { UserName, NewUserName: other.name.toUpperCase() }],
        ['UpdateUser', { UserName, NewUserName: 'tester' }],
        ['UpdateUser', { UserName, NewUserName: 'a b' }],
        ['UpdateUser', { UserName, NewPath: 'x' }],
        ['UpdateUser', { UserName, NewUserName, NewPath: '/new/' }],
        ['GetUser', { UserName }],
        ['UpdateUser', { UserName: NewUserName, NewUserName: NewUserName.toUpperCase() }],
        ['UpdateUser', { UserName: NewUserName.toUpperCase(), NewUserName }],
      ),
      ['EntityAlreadyExists', 'EntityAlreadyExists', 'ValidationError', 'ValidationError']
        .concat('200', 'NoSuchEntity')
        .concat('200', '200'),
    );
    const found = await iam(client, 'GetUser', { UserName: NewUserName });
    t.equal(tag(found, 'UserId'), id);
    t.equal(tag(found, 'Arn'), `arn:aws:iam::test:user/new/${NewUserName}`);
    t.equal(await tried(rig, keys, 'PUT', '/k'), '200', 'keys and policies stay');
    t.equal(tag(await iam(client, 'ListAccessKeys', { UserName: NewUserName }), 'AccessKeyId'), keys.accessKeyId);
    t.match((await iam(client, 'ListUsers', { PathPrefix: '/new/' })).text, NewUserName);
  },

  'the last use of a key': async (rig) => {
    const { t, client } = rig;
    const { name, keys } = await makeUser(client, allow('s3:*'));
    const { accessKeyId: AccessKeyId } = keys;
    const before = await iam(client, 'GetAccessKeyLastUsed', { AccessKeyId });
    t.same([tag(before, 'UserName'), tag(before, 'ServiceName'), tag(before, 'Region')], [name, 'N/A', 'N/A']);
    t.notMatch(before.text, 'LastUsedDate');
    t.equal(await tried(rig, keys, 'PUT', '/k'), '200');
    let after = await iam(client, 'GetAccessKeyLastUsed', { AccessKeyId });
    for (let waitedMs = 0; waitedMs < PATIENCE_MS && tag(after, 'LastUsedDate') === ''; waitedMs += 50) {
      await sleep(50);
      after = await iam(client, 'GetAccessKeyLastUsed', { AccessKeyId });
    }
    t.same([tag(after, 'ServiceName'), tag(after, 'Region')], ['s3', client.region]);
    t.ok(Math.abs(Date.parse(tag(after, 'LastUsedDate')) - Date.now()) < 60_000);
    t.same(
      await codes(client, ['GetAccessKeyLastUsed', { AccessKeyId: client.owner.accessKeyId.padEnd(16, 'X') }]),
      ['NoSuchEntity'],
      'no key of IAM',
    );
    const stranger = await iam(client, 'GetAccessKeyLastUsed', { AccessKeyId }, client.stranger);
    t.equal(tag(stranger, 'Code'), 'NoSuchEntity', 'of another account');
    t.equal(tag(await iam(client, 'GetAccessKeyLastUsed', { AccessKeyId }, client.member), 'Code'), 'AccessDenied');
  },
};

async function attempts(rig: Rig, keys: Parameters<typeof tried>[1]): Promise<string> {
  return [await tried(rig, keys, 'PUT', '/k'), await tried(rig, keys, 'GET', '/k')].join(' ');
}

export const groups: S3Suite = {
  'a group from first to last': async (rig) => {
    const { t, client } = rig;
    await client.ask('PUT', `/${rig.bucket}/k`, { body: 'x' });
    const { name: UserName, keys } = await makeUser(client, allow('s3:GetObject'));
    const GroupName = `group-${UserName}`;
    const made = await iam(client, 'CreateGroup', { GroupName, Path: '/team/' });
    t.match(tag(made, 'GroupId'), /^AGPA[A-Z2-7]{16}$/);
    t.equal(tag(made, 'Arn'), `arn:aws:iam::test:group/team/${GroupName}`);
    const write = { GroupName, PolicyName: 'w', PolicyDocument: allow('s3:PutObject') };
    const refused = { ...write, PolicyDocument: allow('s3:*', `arn:aws:s3:::${'x'.repeat(5200)}`) };
    t.same(
      await codes(
        client,
        ['CreateGroup', { GroupName: GroupName.toUpperCase() }],
        ['CreateGroup', { GroupName: 'a b' }],
        ['AddUserToGroup', { GroupName, UserName: 'never-made' }],
        ['AddUserToGroup', { GroupName: 'never-made', UserName }],
        ['AddUserToGroup', { GroupName, UserName }],
        ['AddUserToGroup', { GroupName, UserName }],
        ['PutGroupPolicy', refused],
        ['PutGroupPolicy', { ...write, PolicyDocument: '{' }],
      ),
      ['EntityAlreadyExists', 'ValidationError', 'NoSuchEntity', 'NoSuchEntity', '200', '200']
        .concat('LimitExceeded')
        .concat('MalformedPolicyDocument'),
    );
    t.equal(await attempts(rig, keys), 'AccessDenied 200');
    t.same(await codes(client, ['PutGroupPolicy', write]), ['200']);
    t.equal(await attempts(rig, keys), '200 200', 'at once, and what the user has stays');
    t.same(all(await iam(client, 'GetGroup', { GroupName }), 'UserName'), [UserName]);
    t.same(all(await iam(client, 'ListGroupsForUser', { UserName }), 'GroupName'), [GroupName]);
    t.same(all(await iam(client, 'ListGroups', { PathPrefix: '/team/' }), 'GroupName'), [GroupName]);
    t.same(all(await iam(client, 'ListGroupPolicies', { GroupName }), 'member'), ['w']);
    const shown = tag(await iam(client, 'GetGroupPolicy', { GroupName, PolicyName: 'w' }), 'PolicyDocument');
    t.equal(decodeURIComponent(shown), write.PolicyDocument);

    const NewGroupName = `${GroupName}-now`;
    t.same(await codes(client, ['UpdateGroup', { GroupName, NewGroupName, NewPath: '/' }]), ['200']);
    t.equal(await attempts(rig, keys), '200 200', 'under another name');
    const deny = { GroupName: NewGroupName, PolicyName: 'd', PolicyDocument: allow('s3:GetObject', '*', 'Deny') };
    t.same(await codes(client, ['PutGroupPolicy', deny]), ['200']);
    t.equal(await attempts(rig, keys), '200 AccessDenied', 'a Deny of the group goes first');
    t.same(
      await codes(
        client,
        ['DeleteGroupPolicy', { GroupName: NewGroupName, PolicyName: 'd' }],
        ['DeleteGroupPolicy', { GroupName: NewGroupName, PolicyName: 'd' }],
        ['DeleteUserPolicy', { UserName, PolicyName: 'p0' }],
        ['DeleteAccessKey', { UserName, AccessKeyId: (await makeKey(client, UserName)) ?? '' }],
        ['DeleteGroup', { GroupName: NewGroupName }],
        ['DeleteGroupPolicy', { GroupName: NewGroupName, PolicyName: 'w' }],
        ['DeleteGroup', { GroupName: NewGroupName }],
      ),
      ['200', 'NoSuchEntity', '200', '200', 'DeleteConflict', '200', 'DeleteConflict'],
    );
    t.equal(await attempts(rig, keys), 'AccessDenied AccessDenied');
    t.same(
      await codes(
        client,
        ['DeleteAccessKey', { UserName, AccessKeyId: keys.accessKeyId }],
        ['DeleteUser', { UserName }],
        ['RemoveUserFromGroup', { GroupName: NewGroupName, UserName }],
        ['DeleteUser', { UserName }],
        ['DeleteGroup', { GroupName: NewGroupName }],
        ['GetGroup', { GroupName: NewGroupName }],
      ),
      ['200', 'DeleteConflict', '200', '200', '200', 'NoSuchEntity'],
    );
  },

  'many groups': async ({ t, client }) => {
    const { name: UserName } = await makeUser(client);
    const names = Array.from({ length: 11 }, (_, i) => `${UserName}-g${String(i).padStart(2, '0')}`);
    for (const GroupName of names) t.same(await codes(client, ['CreateGroup', { GroupName }]), ['200']);
    const added = await codes(
      client,
      ...names.map((GroupName) => ['AddUserToGroup', { GroupName, UserName }] as const),
    );
    t.same(added, [...Array.from({ length: 10 }, () => '200'), 'LimitExceeded']);
    const first = await iam(client, 'ListGroupsForUser', { UserName, MaxItems: '7' });
    const rest = await iam(client, 'ListGroupsForUser', { UserName, MaxItems: '7', Marker: tag(first, 'Marker') });
    t.same([...all(first, 'GroupName'), ...all(rest, 'GroupName')], names.slice(0, 10));
    t.same([tag(first, 'IsTruncated'), tag(rest, 'IsTruncated')], ['true', 'false']);
  },

  'who may manage them': async ({ t, client }) => {
    const own = 'arn:aws:iam::test:user/${aws:username}';
    const { name, keys } = await makeUser(
      client,
      allow(['iam:GetUser', 'iam:TagUser'], own),
      allow(['iam:AddUserToGroup'], 'arn:aws:iam::test:group/mine-*'),
    );
    const other = await makeUser(client);
    const ask = async (action: string, form: Form): Promise<string> => {
      const answer = await iam(client, action, form, keys);
      return answer.status === 200 ? '200' : tag(answer, 'Code');
    };
    t.equal(await ask('GetUser', { UserName: name }), '200', 'itself');
    t.equal(await ask('GetUser', { UserName: other.name }), 'AccessDenied');
    t.equal(await ask('TagUser', { UserName: name, ...tags(['a', 'b']) }), '200');
    t.equal(await ask('AddUserToGroup', { GroupName: 'mine-1', UserName: name }), 'NoSuchEntity');
    t.equal(await ask('AddUserToGroup', { GroupName: 'theirs', UserName: name }), 'AccessDenied');
    t.equal(await ask('AttachUserPolicy', { UserName: name, PolicyArn: FULL }), 'AccessDenied');
    t.equal(await ask('CreateGroup', { GroupName: 'x' }), 'AccessDenied');
    t.equal(await ask('ListPolicies', {}), 'AccessDenied');
    t.equal(await ask('CreateRole', { RoleName: 'x', AssumeRolePolicyDocument: '{}' }), 'AccessDenied');
    t.same(
      await codes(client, ['AttachUserPolicy', { UserName: name, PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess' }]),
      ['200'],
    );
    t.equal(await ask('CreateGroup', { GroupName: `mine-${name}` }), '200', 'by AWS’ policy');
    t.equal(await ask('DeleteGroup', { GroupName: `mine-${name}` }), '200');
  },
};

const FULL = 'arn:aws:iam::aws:policy/AmazonS3FullAccess';
const READ = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess';

async function makeKey(client: S3Client, UserName: string): Promise<string> {
  return tag(await iam(client, 'CreateAccessKey', { UserName }), 'AccessKeyId');
}

export const managedPolicies: S3Suite = {
  'a policy from first to last': async ({ t, client }) => {
    const { name: UserName } = await makeUser(client);
    const PolicyName = `policy-${UserName}`;
    const about = { PolicyName, Path: '/a/b/', Description: 'what for', ...tags(['k', 'v']) };
    const made = await iam(client, 'CreatePolicy', { ...about, PolicyDocument: allow('s3:GetObject') });
    const PolicyArn = tag(made, 'Arn');
    t.equal(PolicyArn, `arn:aws:iam::test:policy/a/b/${PolicyName}`);
    t.match(tag(made, 'PolicyId'), /^ANPA[A-Z2-7]{16}$/);
    t.same(
      [tag(made, 'DefaultVersionId'), tag(made, 'AttachmentCount'), tag(made, 'Description')],
      ['v1', '0', 'what for'],
    );
    t.same(
      await codes(
        client,
        ['CreatePolicy', { PolicyName: PolicyName.toUpperCase(), PolicyDocument: allow('s3:GetObject') }],
        ['CreatePolicy', { PolicyName: 'x', PolicyDocument: '{}' }],
        ['CreatePolicy', { PolicyName: 'x', PolicyDocument: allow('s3:*', `arn:aws:s3:::${'x'.repeat(6200)}`) }],
        ['GetPolicy', { PolicyArn: PolicyArn.replace('/a/b/', '/') }],
        ['GetPolicy', { PolicyArn: 'arn:aws:iam::other:policy/never-made' }],
        ['GetPolicy', { PolicyArn: 'not-an-arn-at-all-but-long' }],
        ['AttachUserPolicy', { UserName, PolicyArn: `${PolicyArn}-not` }],
        ['DetachUserPolicy', { UserName, PolicyArn }],
        ['AttachUserPolicy', { UserName, PolicyArn }],
        ['AttachUserPolicy', { UserName, PolicyArn }],
        ['DeletePolicy', { PolicyArn }],
      ),
      [
        'EntityAlreadyExists',
        'MalformedPolicyDocument',
        'LimitExceeded',
        'NoSuchEntity',
        'NoSuchEntity',
        'InvalidInput',
      ]
        .concat('NoSuchEntity', 'NoSuchEntity', '200', '200')
        .concat('DeleteConflict'),
    );
    t.equal(tag(await iam(client, 'GetPolicy', { PolicyArn }), 'AttachmentCount'), '1');
    const entities = await iam(client, 'ListEntitiesForPolicy', { PolicyArn });
    t.match(entities.text, `<PolicyUsers><member><UserName>${UserName}</UserName><UserId>AIDA`);
    t.same(
      await codes(
        client,
        ['DetachUserPolicy', { UserName, PolicyArn }],
        ['DeletePolicy', { PolicyArn }],
        ['GetPolicy', { PolicyArn }],
      ),
      ['200', '200', 'NoSuchEntity'],
    );
  },

  'versions of a policy': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}/k`, { body: 'x' });
    const { name: UserName, keys } = await makeUser(client);
    const made = await iam(client, 'CreatePolicy', { PolicyName: UserName, PolicyDocument: allow('s3:GetObject') });
    const PolicyArn = tag(made, 'Arn');
    const version = { PolicyArn, PolicyDocument: allow('s3:PutObject') };
    t.same(await codes(client, ['AttachUserPolicy', { UserName, PolicyArn }]), ['200']);
    t.equal(await attempts(rig, keys), 'AccessDenied 200', 'version 1');
    const second = await iam(client, 'CreatePolicyVersion', version);
    t.same([tag(second, 'VersionId'), tag(second, 'IsDefaultVersion')], ['v2', 'false']);
    t.equal(await attempts(rig, keys), 'AccessDenied 200', 'still version 1');
    t.same(await codes(client, ['SetDefaultPolicyVersion', { PolicyArn, VersionId: 'v2' }]), ['200']);
    t.equal(await attempts(rig, keys), '200 AccessDenied', 'version 2, at once');
    await iam(client, 'CreatePolicyVersion', { ...version, PolicyDocument: allow('s3:*'), SetAsDefault: 'true' });
    t.equal(await attempts(rig, keys), '200 200', 'version 3');
    t.same(all(await iam(client, 'ListPolicyVersions', { PolicyArn }), 'VersionId'), ['v3', 'v2', 'v1']);
    const shown = await iam(client, 'GetPolicyVersion', { PolicyArn, VersionId: 'v1' });
    t.equal(decodeURIComponent(tag(shown, 'Document')), allow('s3:GetObject'));
    t.same(
      await codes(
        client,
        ['CreatePolicyVersion', version],
        ['CreatePolicyVersion', version],
        ['CreatePolicyVersion', version],
        ['DeletePolicyVersion', { PolicyArn, VersionId: 'v3' }],
        ['DeletePolicyVersion', { PolicyArn, VersionId: 'v9' }],
        ['DeletePolicyVersion', { PolicyArn, VersionId: '1' }],
        ['DetachUserPolicy', { UserName, PolicyArn }],
        ['DeletePolicy', { PolicyArn }],
        ...['v1', 'v2', 'v4', 'v5'].map((VersionId) => ['DeletePolicyVersion', { PolicyArn, VersionId }] as const),
        ['DeletePolicy', { PolicyArn }],
        ['GetPolicy', { PolicyArn }],
      ),
      ['200', '200', 'LimitExceeded', 'DeleteConflict', 'NoSuchEntity', 'ValidationError', '200', 'DeleteConflict']
        .concat('200', '200', '200', '200')
        .concat('200', 'NoSuchEntity'),
    );
    t.equal(await attempts(rig, keys), 'AccessDenied AccessDenied');
  },

  'policies of AWS': async (rig) => {
    const { t, client } = rig;
    const { name: UserName, keys } = await makeUser(client);
    const GroupName = `group-${UserName}`;
    t.same(
      await codes(
        client,
        ['AttachUserPolicy', { UserName, PolicyArn: READ }],
        ['CreateGroup', { GroupName }],
        ['AddUserToGroup', { GroupName, UserName }],
        ['AttachUserPolicy', { UserName, PolicyArn: 'arn:aws:iam::aws:policy/NoSuchPolicy' }],
        ['DeletePolicy', { PolicyArn: READ }],
        ['CreatePolicyVersion', { PolicyArn: READ, PolicyDocument: allow('*') }],
      ),
      ['200', '200', '200', 'NoSuchEntity', 'AccessDenied', 'AccessDenied'],
    );
    t.equal(await attempts(rig, keys), 'AccessDenied NoSuchKey');
    t.same(await codes(client, ['AttachGroupPolicy', { GroupName, PolicyArn: FULL }]), ['200']);
    t.equal(await attempts(rig, keys), '200 200', 'by the group');
    const attached = await iam(client, 'ListAttachedUserPolicies', { UserName });
    t.same([all(attached, 'PolicyName'), all(attached, 'PolicyArn')], [['AmazonS3ReadOnlyAccess'], [READ]]);
    t.same(all(await iam(client, 'ListAttachedGroupPolicies', { GroupName }), 'PolicyArn'), [FULL]);
    const listed = await iam(client, 'ListPolicies', { Scope: 'AWS', OnlyAttached: 'true' });
    t.same(all(listed, 'Arn'), [FULL, READ, 'arn:aws:iam::aws:policy/IAMFullAccess']);
    const document = tag(await iam(client, 'GetPolicyVersion', { PolicyArn: READ, VersionId: 'v1' }), 'Document');
    const again = { PolicyName: `copy-${UserName}`, PolicyDocument: decodeURIComponent(document) };
    t.same(await codes(client, ['CreatePolicy', again]), ['200'], 'what AWS says can be said');
    t.same(all(await iam(client, 'ListPolicies', { Scope: 'Local' }), 'PolicyName'), [again.PolicyName]);
    t.same(
      await codes(
        client,
        ['DeleteGroup', { GroupName }],
        ['DetachGroupPolicy', { GroupName, PolicyArn: FULL }],
        ['DetachGroupPolicy', { GroupName, PolicyArn: FULL }],
        ['RemoveUserFromGroup', { GroupName, UserName }],
        ['DeleteGroup', { GroupName }],
        ['DeleteAccessKey', { UserName, AccessKeyId: keys.accessKeyId }],
        ['DeleteUser', { UserName }],
        ['DetachUserPolicy', { UserName, PolicyArn: READ }],
        ['DeleteUser', { UserName }],
      ),
      ['DeleteConflict', '200', 'NoSuchEntity', '200', '200', '200', 'DeleteConflict', '200', '200'],
    );
  },

  'tags of policies': async ({ t, client }) => {
    const PolicyName = newName();
    const made = await iam(client, 'CreatePolicy', { PolicyName, PolicyDocument: allow('s3:*') });
    const PolicyArn = tag(made, 'Arn');
    t.same(await codes(client, ['TagPolicy', { PolicyArn, ...tags(['a', '1'], ['b', '2']) }]), ['200']);
    t.same(await codes(client, ['UntagPolicy', { PolicyArn, 'TagKeys.member.1': 'a' }]), ['200']);
    t.same(all(await iam(client, 'ListPolicyTags', { PolicyArn }), 'Key'), ['b']);
    t.same(await codes(client, ['DeletePolicy', { PolicyArn }]), ['200']);
  },
};
