/** Roles: who may assume one, and what its sessions may do. */
import { allow, iam, type Keys, keysOf, makeUser, newName, sts, tag, tried } from './s3-iam.ts';
import type { Answer, S3Client, S3Suite } from './s3-rig.ts';

type Form = Readonly<Record<string, string>>;

const trust = (AWS: string | string[], Condition?: object): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS }, Action: 'sts:AssumeRole', ...(Condition && { Condition }) }],
  });
const ROOT = 'arn:aws:iam::test:root';

async function done(client: S3Client, action: string, form: Form): Promise<Answer> {
  const answer = await iam(client, action, form);
  if (answer.status !== 200) throw new Error(`${action}: ${answer.text}`);
  return answer;
}

async function makeRole(client: S3Client, AssumeRolePolicyDocument: string, ...documents: string[]) {
  const RoleName = `role-${newName()}`;
  const made = await done(client, 'CreateRole', { RoleName, AssumeRolePolicyDocument, Path: '/x/' });
  for (const [at, PolicyDocument] of documents.entries()) {
    await done(client, 'PutRolePolicy', { RoleName, PolicyName: `p${at}`, PolicyDocument });
  }
  return { RoleName, RoleArn: tag(made, 'Arn'), id: tag(made, 'RoleId'), count: documents.length };
}

async function removeRole(client: S3Client, { RoleName, count }: { RoleName: string; count: number }): Promise<void> {
  for (let at = 0; at < count; at++) await done(client, 'DeleteRolePolicy', { RoleName, PolicyName: `p${at}` });
  await done(client, 'DeleteRole', { RoleName });
}

const assume = (client: S3Client, RoleArn: string, more: Form = {}, user?: Keys): Promise<Answer> =>
  sts(client, 'AssumeRole', { RoleArn, RoleSessionName: 'me', ...more }, user);

/** '200', or the code of the refusal. */
async function verdict(answer: Promise<Answer>): Promise<string> {
  const { status } = await answer;
  return status === 200 ? '200' : tag(await answer, 'Code');
}

export const roles: S3Suite = {
  'a role from first to last': async (rig) => {
    const { t, client } = rig;
    const RoleName = `role-${newName()}`;
    const about = { RoleName, Path: '/x/', Description: 'what for', MaxSessionDuration: '7200' };
    const made = await done(client, 'CreateRole', { ...about, AssumeRolePolicyDocument: trust(ROOT) });
    t.match(tag(made, 'RoleId'), /^AROA[A-Z2-7]{16}$/);
    t.equal(tag(made, 'Arn'), `arn:aws:iam::test:role/x/${RoleName}`);
    for (const [action, form, code] of [
      [
        'CreateRole',
        { RoleName: RoleName.toUpperCase(), AssumeRolePolicyDocument: trust(ROOT) },
        'EntityAlreadyExists',
      ],
      ['CreateRole', { RoleName: 'x' }, 'ValidationError'],
      ['CreateRole', { RoleName: 'x', AssumeRolePolicyDocument: allow('sts:AssumeRole') }, 'MalformedPolicyDocument'],
      ['CreateRole', { RoleName: 'x', AssumeRolePolicyDocument: trust('nobody/x') }, 'MalformedPolicyDocument'],
      [
        'CreateRole',
        { RoleName: 'x', AssumeRolePolicyDocument: trust(ROOT).replace('sts:', 's3:') },
        'MalformedPolicyDocument',
      ],
      ['CreateRole', { ...about, AssumeRolePolicyDocument: trust(ROOT), MaxSessionDuration: '60' }, 'ValidationError'],
      ['UpdateAssumeRolePolicy', { RoleName, PolicyDocument: '{' }, 'MalformedPolicyDocument'],
      ['UpdateAssumeRolePolicy', { RoleName: 'never-made', PolicyDocument: trust(ROOT) }, 'NoSuchEntity'],
      ['UpdateAssumeRolePolicy', { RoleName, PolicyDocument: trust('test:member') }, '200'],
      ['UpdateRole', { RoleName, MaxSessionDuration: '3600' }, '200'],
      ['UpdateRoleDescription', { RoleName, Description: 'else' }, '200'],
      ['TagRole', { RoleName, 'Tags.member.1.Key': 'a', 'Tags.member.1.Value': 'b' }, '200'],
      ['PutRolePolicy', { RoleName, PolicyName: 'p', PolicyDocument: allow('s3:*') }, '200'],
      ['GetRolePolicy', { RoleName, PolicyName: 'p' }, '200'],
      ['AttachRolePolicy', { RoleName, PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3FullAccess' }, '200'],
      ['ListInstanceProfilesForRole', { RoleName }, '200'],
      ['DeleteRole', { RoleName }, 'DeleteConflict'],
    ] as const) {
      t.equal(await verdict(iam(client, action, form)), code, `${action} ${JSON.stringify(form).slice(0, 80)}`);
    }
    const shown = await done(client, 'GetRole', { RoleName });
    t.same([tag(shown, 'Description'), tag(shown, 'MaxSessionDuration'), tag(shown, 'Key')], ['else', '3600', 'a']);
    t.equal(decodeURIComponent(tag(shown, 'AssumeRolePolicyDocument')), trust('test:member'));
    t.match((await done(client, 'ListRoles', { PathPrefix: '/x/' })).text, RoleName);
    t.equal(tag(await done(client, 'ListRolePolicies', { RoleName }), 'member'), 'p');
    t.equal(tag(await done(client, 'ListAttachedRolePolicies', { RoleName }), 'PolicyName'), 'AmazonS3FullAccess');
    t.equal(tag(await done(client, 'ListRoleTags', { RoleName }), 'Value'), 'b');
    await done(client, 'UntagRole', { RoleName, 'TagKeys.member.1': 'a' });
    await done(client, 'DetachRolePolicy', { RoleName, PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3FullAccess' });
    await done(client, 'DeleteRolePolicy', { RoleName, PolicyName: 'p' });
    await done(client, 'DeleteRole', { RoleName });
    t.equal(await verdict(iam(client, 'GetRole', { RoleName })), 'NoSuchEntity');
  },

  'what a session of it may do': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}/k`, { body: 'x' });
    const role = await makeRole(
      client,
      trust(ROOT),
      allow('s3:*', [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]),
    );
    const { RoleName, RoleArn, id } = role;
    const answer = await assume(client, RoleArn);
    t.equal(tag(answer, 'AssumedRoleId'), `${id}:me`);
    t.equal(tag(answer, 'Arn'), `arn:aws:sts::test:assumed-role/${RoleName}/me`);
    const keys = await keysOf(Promise.resolve(answer));
    const who = await sts(client, 'GetCallerIdentity', {}, keys);
    t.same([tag(who, 'Arn'), tag(who, 'UserId'), tag(who, 'Account')], [tag(answer, 'Arn'), `${id}:me`, 'test']);
    t.equal(await tried(rig, keys, 'GET', '/k'), '200');
    t.equal(await tried(rig, keys, 'PUT', '/k'), '200');
    const headers = { 'x-amz-security-token': keys.token ?? '' };
    t.equal(
      (await client.ask('GET', '/', { user: keys, headers })).code,
      'AccessDenied',
      'nothing of the owner is left',
    );
    t.equal(await verdict(iam(client, 'ListUsers', {}, keys)), 'AccessDenied');
    t.equal(await verdict(sts(client, 'GetSessionToken', {}, keys)), 'AccessDenied');
    const narrow = await keysOf(assume(client, RoleArn, { Policy: allow(['s3:GetObject', 's3:ListAllMyBuckets']) }));
    t.equal(await tried(rig, narrow, 'GET', '/k'), '200');
    t.equal(await tried(rig, narrow, 'PUT', '/k'), 'AccessDenied', 'the session’s policy');
    const arns = { 'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess' };
    const managed = await keysOf(assume(client, RoleArn, arns));
    t.equal(
      [await tried(rig, managed, 'GET', '/k'), await tried(rig, managed, 'PUT', '/k')].join(' '),
      '200 AccessDenied',
    );
    t.equal(
      await verdict(assume(client, RoleArn, { 'PolicyArns.member.1.arn': `${arns['PolicyArns.member.1.arn']}X` })),
      'MalformedPolicyDocument',
    );
    const all = await client.ask('GET', '/', { user: narrow, headers: { 'x-amz-security-token': narrow.token ?? '' } });
    t.equal(all.code, 'AccessDenied', 'gives nothing');

    const deny = { RoleName, PolicyName: 'deny', PolicyDocument: allow('s3:PutObject', '*', 'Deny') };
    await done(client, 'PutRolePolicy', deny);
    t.equal(await tried(rig, keys, 'PUT', '/k'), 'AccessDenied', 'at once, in sessions that there are');
    await done(client, 'DeleteRolePolicy', { RoleName, PolicyName: 'deny' });
    const denied = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Deny', Principal: { AWS: RoleArn }, Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` },
      ],
    });
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'policy', body: denied })).status, 204);
    t.equal(await tried(rig, keys, 'GET', '/k'), 'AccessDenied', 'a bucket’s policy names the role');
    t.equal(await tried(rig, client.owner, 'GET', '/k'), '200');
    await removeRole(client, role);
    t.equal(await tried(rig, keys, 'PUT', '/k'), 'InvalidToken', 'its sessions end with it');
  },

  'who may assume it': async (rig) => {
    const { t, client } = rig;
    const [plain, allowed, named] = [
      await makeUser(client),
      await makeUser(client, allow('sts:AssumeRole', 'arn:aws:iam::test:role/x/*')),
      await makeUser(client),
    ];
    const ofAccount = await makeRole(client, trust(ROOT), allow('s3:*'));
    const ofNamed = await makeRole(client, trust(`arn:aws:iam::test:user/${named.name}`));
    const ofOther = await makeRole(
      client,
      trust(`arn:aws:iam::${client.ids.stranger.replace('AUTH_', '')}:root`),
      allow('s3:*'),
    );
    const guarded = await makeRole(client, trust(ROOT, { StringEquals: { 'sts:ExternalId': 'secret' } }));
    const ask = (role: { RoleArn: string }, user?: Keys, more: Form = {}): Promise<string> =>
      verdict(assume(client, role.RoleArn, more, user));
    t.equal(await ask(ofAccount), '200', 'the owner');
    t.equal(await ask(ofAccount, plain.keys), 'AccessDenied', 'the account may, its users need a policy');
    t.equal(await ask(ofAccount, allowed.keys), '200');
    t.equal(await ask(ofAccount, client.stranger), 'AccessDenied');
    t.equal(await ask(ofNamed, named.keys), '200', 'who is named needs none');
    t.equal(await ask(ofNamed, plain.keys), 'AccessDenied');
    t.equal(await ask(ofNamed, allowed.keys), 'AccessDenied', 'a policy is not enough');
    t.equal(await ask(ofNamed), 'AccessDenied', 'the owner neither');
    t.equal(await ask(guarded), 'AccessDenied');
    t.equal(await ask(guarded, undefined, { ExternalId: 'secret' }), '200');
    t.equal(await ask({ RoleArn: `${ofAccount.RoleArn}-not` }), 'AccessDenied', 'no such role');
    t.equal(await ask({ RoleArn: ofAccount.RoleArn.replace('/x/', '/') }), 'AccessDenied', 'of another path');
    t.equal(
      await ask(ofAccount, undefined, { DurationSeconds: '3601' }),
      'ValidationError',
      'longer than the role lets',
    );
    const lasting = await keysOf(sts(client, 'GetSessionToken'));
    t.equal(await ask(ofAccount, lasting), '200', 'temporary keys');
    t.equal(await ask(ofNamed, lasting), 'AccessDenied');

    const foreign = await keysOf(assume(client, ofOther.RoleArn, {}, client.stranger));
    t.equal(await tried(rig, foreign, 'PUT', '/k'), '200', 'from another account');
    t.equal(await tried(rig, foreign, 'GET', '/k'), '200');

    const admins = await makeRole(client, trust(ROOT));
    await done(client, 'AttachRolePolicy', {
      RoleName: admins.RoleName,
      PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess',
    });
    const admin = await keysOf(assume(client, admins.RoleArn));
    t.equal(await verdict(iam(client, 'ListUsers', {}, admin)), '200', 'a role may manage users');
    t.equal(await tried(rig, admin, 'GET', '/k'), 'AccessDenied');
    const readers = await keysOf(assume(client, admins.RoleArn, { Policy: allow('iam:ListUsers') }));
    t.equal(await verdict(iam(client, 'ListRoles', {}, readers)), 'AccessDenied', 'within the session’s policy');

    const next = await makeRole(client, trust(ofAccount.RoleArn), allow('s3:GetObject'));
    const first = await keysOf(assume(client, ofAccount.RoleArn));
    t.equal(await ask(next), 'AccessDenied');
    t.equal(await ask(next, first, { DurationSeconds: '3600' }), '200');
    t.equal(await ask(next, first, { DurationSeconds: '3601' }), 'ValidationError', 'an hour at most');
    const chained = await keysOf(assume(client, next.RoleArn, {}, first));
    t.equal(await tried(rig, chained, 'GET', '/k'), '200', 'from role to role');
    t.equal(await tried(rig, chained, 'PUT', '/k'), 'AccessDenied');
    t.equal(await ask(ofAccount, chained), 'AccessDenied');

    await done(client, 'DetachRolePolicy', {
      RoleName: admins.RoleName,
      PolicyArn: 'arn:aws:iam::aws:policy/IAMFullAccess',
    });
    for (const role of [ofAccount, ofNamed, ofOther, guarded, admins, next]) await removeRole(client, role);
    t.equal(await ask(ofAccount), '200', 'in an account without roles the ARN is but a name');
  },
};
