/** STS and IAM on the S3 port: temporary keys, users with keys and policies, and what each of them may do. */
import { ACTIONS } from '../../proxy/iam/actions.ts';
import { presign } from '../s3-signer.ts';
import { type Answer, amzNow, type Rig, type S3Client, type S3Suite, type S3User } from './s3-rig.ts';

export interface Keys extends S3User {
  readonly token?: string;
}

const FORM = 'application/x-www-form-urlencoded; charset=utf-8';
export const tag = ({ text }: Answer, name: string): string =>
  new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1] ?? '';
export const allow = (Action: string | string[], Resource: string | string[] = '*', Effect = 'Allow'): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect, Action, Resource }] });

let count = 0;
export const newName = (): string => `user-${process.pid}-${++count}`;

function act(client: S3Client, parameters: Readonly<Record<string, string>>, user?: Keys | null): Promise<Answer> {
  const body = new URLSearchParams(parameters).toString();
  const headers = { 'content-type': FORM, ...tokenOf(user) };
  return client.ask('POST', '/', { body, headers, ...(user === undefined ? {} : { user }) });
}

const tokenOf = (user?: Keys | null): Record<string, string> =>
  user?.token === undefined ? {} : { 'x-amz-security-token': user.token };

export const sts = (
  client: S3Client,
  Action: string,
  more: Readonly<Record<string, string>> = {},
  user?: Keys | null,
) => act(client, { Action, Version: '2011-06-15', ...more }, user);
export const iam = (
  client: S3Client,
  Action: string,
  more: Readonly<Record<string, string>> = {},
  user?: Keys | null,
) => act(client, { Action, Version: '2010-05-08', ...more }, user);

export async function keysOf(done: Promise<Answer>): Promise<Keys> {
  const answer = await done;
  if (answer.status !== 200) throw new Error(answer.text);
  const [accessKeyId, secretAccessKey] = [tag(answer, 'AccessKeyId'), tag(answer, 'SecretAccessKey')];
  const token = tag(answer, 'SessionToken');
  return { accessKeyId, secretAccessKey, ...(token !== '' && { token }) };
}

/** Status, or the code of the refusal. */
export async function tried(
  { client, bucket }: Rig,
  user: Keys,
  method: string,
  path = '',
  query = '',
): Promise<string> {
  const sent = { user, headers: tokenOf(user), query, ...(method === 'PUT' ? { body: 'x' } : {}) };
  const { status, code } = await client.ask(method, `/${bucket}${path}`, sent);
  return code ?? String(status);
}

export async function makeUser(client: S3Client, ...policies: string[]): Promise<{ name: string; keys: Keys }> {
  const UserName = newName();
  const made = await iam(client, 'CreateUser', { UserName });
  if (made.status !== 200) throw new Error(made.text);
  for (const [at, PolicyDocument] of policies.entries()) {
    const done = await iam(client, 'PutUserPolicy', { UserName, PolicyName: `p${at}`, PolicyDocument });
    if (done.status !== 200) throw new Error(done.text);
  }
  return { name: UserName, keys: await keysOf(iam(client, 'CreateAccessKey', { UserName })) };
}

export const temporaryKeys: S3Suite = {
  'who one is': async ({ t, client }) => {
    const answer = await sts(client, 'GetCallerIdentity');
    t.equal(tag(answer, 'Arn'), 'arn:aws:iam::test:user/tester');
    t.equal(tag(answer, 'Account'), 'test');
    t.match(
      answer.text,
      /^<\?xml.*\n<GetCallerIdentityResponse xmlns="https:\/\/sts\.amazonaws\.com\/doc\/2011-06-15\/">/,
    );
    t.match(answer.text, '<ResponseMetadata><RequestId>');
    const nobody = await sts(client, 'GetCallerIdentity', {}, null);
    t.equal(nobody.status, 403);
    t.equal(tag(nobody, 'Code'), 'MissingAuthenticationToken');
    t.match(nobody.text, '<ErrorResponse xmlns=');
    const wrong = await sts(client, 'GetCallerIdentity', {}, { ...client.owner, secretAccessKey: 'x' });
    t.equal(tag(wrong, 'Code'), 'SignatureDoesNotMatch');
    const unknown = await sts(client, 'GetCallerIdentity', {}, { accessKeyId: 'NOBODY', secretAccessKey: 'x' });
    t.equal(tag(unknown, 'Code'), 'InvalidClientTokenId');
  },

  'a session has what its keys have': async (rig) => {
    const { t, client, bucket } = rig;
    const keys = await keysOf(sts(client, 'GetSessionToken'));
    t.equal(await tried(rig, keys, 'PUT', '/k'), '200');
    t.equal(await tried(rig, keys, 'GET', '/k'), '200');
    const { token = '' } = keys;
    const { token: _, ...without } = keys;
    t.equal(await tried(rig, without, 'GET', '/k'), 'InvalidAccessKeyId');
    t.equal(await tried(rig, { ...keys, token: `${token.slice(0, -8)}AAAAAAA=` }, 'GET', '/k'), 'InvalidToken');
    t.equal(await tried(rig, { ...client.owner, token }, 'GET', '/k'), 'InvalidToken');
    const unsigned = { user: without, extra: { 'x-amz-security-token': token } };
    t.equal((await client.ask('GET', `/${bucket}/k`, unsigned)).code, 'AccessDenied', 'the token must be signed');
    const headers = { host: client.host };
    const query = `X-Amz-Security-Token=${encodeURIComponent(token)}`;
    const toSign = { method: 'GET', path: `/${bucket}/k`, headers, payload: 'UNSIGNED-PAYLOAD', timestamp: amzNow() };
    const url = presign({ ...keys, region: client.region }, { ...toSign, query }, 60);
    t.equal((await client.send('GET', `/${bucket}/k?${url}`, headers)).text, 'x', 'presigned');
    const bare = presign({ ...keys, region: client.region }, toSign, 60);
    t.equal((await client.send('GET', `/${bucket}/k?${bare}`, headers)).code, 'InvalidAccessKeyId');
    const late = await client.send('GET', `/${bucket}/k?${bare}&${query}`, headers);
    t.equal(late.code, 'SignatureDoesNotMatch', 'the token is part of what is signed');
    for (const action of ['GetSessionToken', 'AssumeRole']) {
      t.equal(tag(await sts(client, action, {}, keys), 'Code'), 'AccessDenied', action);
    }
    t.equal(tag(await iam(client, 'ListUsers', {}, keys), 'Code'), 'AccessDenied');
  },

  'a policy leaves a part of it': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}/in/k`, { body: 'x' });
    const Policy = allow('s3:GetObject', `arn:aws:s3:::${bucket}/in/*`);
    const role = { RoleArn: 'arn:aws:iam::test:role/reader', RoleSessionName: 'me@home', DurationSeconds: '900' };
    const answer = await sts(client, 'AssumeRole', { ...role, Policy });
    t.equal(tag(answer, 'Arn'), 'arn:aws:sts::test:assumed-role/reader/me@home');
    const leftMs = Date.parse(tag(answer, 'Expiration')) - Date.now();
    t.ok(leftMs > 800_000 && leftMs <= 901_000, `${leftMs} ms`);
    const keys = await keysOf(Promise.resolve(answer));
    t.equal(await tried(rig, keys, 'GET', '/in/k'), '200');
    t.equal(await tried(rig, keys, 'GET', '/out/k'), 'AccessDenied');
    t.equal(await tried(rig, keys, 'PUT', '/in/k'), 'AccessDenied');
    t.equal(await tried(rig, keys, 'DELETE', '/in/k'), 'AccessDenied');
    t.equal(await tried(rig, keys, 'GET'), 'AccessDenied');
    t.equal(await tried(rig, keys, 'GET', '', 'policy'), 'AccessDenied');
    const made = await client.ask('PUT', `/${bucket}-other`, { user: keys, headers: tokenOf(keys) });
    t.equal(made.code, 'AccessDenied');
    t.equal((await client.ask('GET', '/', { user: keys, headers: tokenOf(keys) })).code, 'AccessDenied');
    t.equal(tag(await sts(client, 'GetCallerIdentity', {}, keys), 'Arn'), tag(answer, 'Arn'));
    const open = allow('s3:*', `arn:aws:s3:::${bucket}/*`).replace('"Action"', '"Principal":"*","Action"');
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'policy', body: open })).status, 204);
    t.equal(await tried(rig, keys, 'PUT', '/in/k'), 'AccessDenied', 'a bucket’s policy gives a session nothing');
    const members = await keysOf(sts(client, 'AssumeRole', { Policy: allow('s3:*') }, client.member));
    t.equal(await tried(rig, members, 'PUT', '/in/k'), '200', 'by the bucket’s policy');
    t.equal(await tried(rig, members, 'GET'), 'AccessDenied', 'not more than the member may');
  },

  'what is refused': async ({ t, client }) => {
    const role = { RoleArn: 'arn:aws:iam::test:role/r', RoleSessionName: 'me' };
    for (const [action, more, code] of [
      ['AssumeRole', { ...role, DurationSeconds: '899' }, 'ValidationError'],
      ['AssumeRole', { ...role, DurationSeconds: '43201' }, 'ValidationError'],
      ['AssumeRole', { ...role, RoleArn: 'short' }, 'ValidationError'],
      ['AssumeRole', { ...role, RoleSessionName: 'a b' }, 'ValidationError'],
      ['AssumeRole', { ...role, Policy: '{' }, 'MalformedPolicyDocument'],
      ['AssumeRole', { ...role, Policy: allow('s3:Nothing') }, 'MalformedPolicyDocument'],
      ['AssumeRole', { ...role, Policy: allow('s3:*').padEnd(2049) }, 'PackedPolicyTooLarge'],
      ['AssumeRole', { ...role, TokenCode: '123456' }, 'NotImplemented'],
      ['GetSessionToken', { DurationSeconds: '129601' }, 'ValidationError'],
      ['AssumeRoleWithWebIdentity', { ...role, WebIdentityToken: 'x' }, 'NotImplemented'],
      ['Nothing', {}, 'InvalidAction'],
    ] as const) {
      t.equal(tag(await sts(client, action, more), 'Code'), code, `${action} ${JSON.stringify(more).slice(0, 80)}`);
    }
    for (const { name } of ACTIONS.filter(({ run }) => run === undefined)) {
      t.equal(tag(await iam(client, name), 'Code'), 'NotImplemented', name);
    }
    const headers = { 'content-type': FORM };
    const unsigned = await client.ask('POST', '/', {
      body: 'Action=GetSessionToken',
      payload: 'UNSIGNED-PAYLOAD',
      headers,
    });
    t.equal(tag(unsigned, 'Code'), 'SignatureDoesNotMatch', 'the action must be signed');
    t.equal((await client.ask('POST', '/', { body: 'x' })).code, 'MethodNotAllowed', 'no form');
  },
};

export const users: S3Suite = {
  'a user from first to last': async (rig) => {
    const { t, client } = rig;
    const UserName = newName();
    const made = await iam(client, 'CreateUser', { UserName, Path: '/team/' });
    t.match(tag(made, 'UserId'), /^AIDA[A-Z2-7]{16}$/);
    t.equal(tag(made, 'Arn'), `arn:aws:iam::test:user/team/${UserName}`);
    t.match(made.text, 'xmlns="https://iam.amazonaws.com/doc/2010-05-08/"');
    t.equal(tag(await iam(client, 'CreateUser', { UserName: UserName.toUpperCase() }), 'Code'), 'EntityAlreadyExists');
    t.equal(tag(await iam(client, 'CreateUser', { UserName: 'tester' }), 'Code'), 'EntityAlreadyExists', 'of the file');
    t.equal(tag(await iam(client, 'GetUser', { UserName }), 'UserId'), tag(made, 'UserId'));
    t.equal(tag(await iam(client, 'GetUser'), 'UserName'), 'tester');
    t.match((await iam(client, 'ListUsers', { PathPrefix: '/team/' })).text, `<UserName>${UserName}</UserName>`);
    t.notMatch((await iam(client, 'ListUsers', {}, client.stranger)).text, UserName, 'of no other account');
    t.equal(tag(await iam(client, 'GetUser', { UserName }, client.stranger), 'Code'), 'NoSuchEntity');

    const keys = await keysOf(iam(client, 'CreateAccessKey', { UserName }));
    t.match(keys.accessKeyId, /^AKIA[A-Z2-7]{16}$/);
    t.equal(await tried(rig, keys, 'PUT', '/k'), 'AccessDenied', 'no rights yet');
    const PolicyDocument = allow(['s3:PutObject', 's3:GetObject'], `arn:aws:s3:::${rig.bucket}/*`);
    await iam(client, 'PutUserPolicy', { UserName, PolicyName: 'rw', PolicyDocument });
    t.equal(await tried(rig, keys, 'PUT', '/k'), '200', 'at once');
    t.equal(tag(await iam(client, 'ListUserPolicies', { UserName }), 'PolicyNames'), '<member>rw</member>');
    const shown = tag(await iam(client, 'GetUserPolicy', { UserName, PolicyName: 'rw' }), 'PolicyDocument');
    t.equal(decodeURIComponent(shown), PolicyDocument);

    const AccessKeyId = keys.accessKeyId;
    await iam(client, 'UpdateAccessKey', { UserName, AccessKeyId, Status: 'Inactive' });
    t.equal(await tried(rig, keys, 'GET', '/k'), 'InvalidAccessKeyId', 'at once');
    t.match((await iam(client, 'ListAccessKeys', { UserName })).text, `${AccessKeyId}</AccessKeyId><Status>Inactive`);
    await iam(client, 'UpdateAccessKey', { UserName, AccessKeyId, Status: 'Active' });
    const session = await keysOf(sts(client, 'GetSessionToken', {}, keys));
    t.equal(await tried(rig, session, 'GET', '/k'), '200');

    t.equal(tag(await iam(client, 'DeleteUser', { UserName }), 'Code'), 'DeleteConflict');
    t.equal((await iam(client, 'DeleteAccessKey', { UserName, AccessKeyId })).status, 200);
    t.equal(await tried(rig, keys, 'GET', '/k'), 'InvalidAccessKeyId');
    t.equal(await tried(rig, session, 'GET', '/k'), 'InvalidAccessKeyId', 'and its sessions');
    t.equal(tag(await iam(client, 'DeleteUser', { UserName }), 'Code'), 'DeleteConflict');
    await iam(client, 'DeleteUserPolicy', { UserName, PolicyName: 'rw' });
    t.equal((await iam(client, 'DeleteUser', { UserName })).status, 200);
    t.equal(tag(await iam(client, 'DeleteUser', { UserName }), 'Code'), 'NoSuchEntity');
  },

  'what policies say': async (rig) => {
    const { t, client, bucket } = rig;
    const { keys } = await makeUser(
      client,
      allow('s3:*'),
      allow('s3:DeleteObject', `arn:aws:s3:::${bucket}/kept`, 'Deny'),
    );
    t.equal(await tried(rig, keys, 'PUT', '/kept'), '200');
    t.equal(await tried(rig, keys, 'GET'), '200');
    t.equal(await tried(rig, keys, 'GET', '', 'notification'), '200', 'as the owner');
    t.equal(await tried(rig, keys, 'DELETE', '/kept'), 'AccessDenied');
    t.equal((await client.ask('GET', '/', { user: keys })).status, 200);
    const own = `${bucket}-of-user`;
    t.equal((await client.ask('PUT', `/${own}`, { user: keys })).status, 200);
    t.equal((await client.ask('DELETE', `/${own}`, { user: keys })).status, 204);
    const theirs = await client.ask('PUT', `/${bucket}-x`, { user: client.stranger });
    t.equal(theirs.status, 200);
    t.equal((await client.ask('GET', `/${bucket}-x`, { user: keys })).code, 'AccessDenied', 'of another account');
    const deny = allow('s3:GetObject', `arn:aws:s3:::${bucket}/*`, 'Deny').replace(
      '"Action"',
      '"Principal":"*","Action"',
    );
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'policy', body: deny })).status, 204);
    t.equal(await tried(rig, keys, 'GET', '/kept'), 'AccessDenied', 'a bucket’s Deny goes first');
    const nobody = await makeUser(client);
    const open = allow('s3:GetObject', `arn:aws:s3:::${bucket}/*`).replace(
      '"Action"',
      `"Principal":{"AWS":"arn:aws:iam::test:user/${nobody.name}"},"Action"`,
    );
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'policy', body: open })).status, 204);
    t.equal(await tried(rig, nobody.keys, 'GET', '/kept'), '200', 'a bucket may let a user in');
    t.equal(await tried(rig, nobody.keys, 'PUT', '/kept'), 'AccessDenied');
  },

  'who may manage users': async ({ t, client }) => {
    const { name, keys } = await makeUser(client, allow(['iam:CreateAccessKey', 'iam:ListAccessKeys'], '*'));
    t.equal(tag(await iam(client, 'ListUsers', {}, client.member), 'Code'), 'AccessDenied');
    t.equal(tag(await iam(client, 'ListUsers', {}, keys), 'Code'), 'AccessDenied');
    t.equal((await iam(client, 'ListAccessKeys', {}, keys)).status, 200);
    t.equal((await iam(client, 'CreateAccessKey', {}, keys)).status, 200, 'its own');
    t.equal(tag(await iam(client, 'CreateAccessKey', {}, keys), 'Code'), 'LimitExceeded');
    const policy = { UserName: name, PolicyName: 'more', PolicyDocument: allow('*') };
    t.equal(tag(await iam(client, 'PutUserPolicy', policy, keys), 'Code'), 'AccessDenied', 'gives itself no rights');
    for (const [action, more, code] of [
      ['CreateUser', {}, 'ValidationError'],
      ['CreateUser', { UserName: 'a b' }, 'ValidationError'],
      ['CreateUser', { UserName: 'x', Path: 'team' }, 'ValidationError'],
      ['CreateAccessKey', {}, 'ValidationError'],
      ['CreateAccessKey', { UserName: 'never-made' }, 'NoSuchEntity'],
      ['UpdateAccessKey', { UserName: name, AccessKeyId: keys.accessKeyId, Status: 'Off' }, 'ValidationError'],
      ['DeleteAccessKey', { UserName: name, AccessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }, 'NoSuchEntity'],
      ['DeleteAccessKey', { UserName: name, AccessKeyId: client.owner.accessKeyId }, 'NoSuchEntity'],
      ['PutUserPolicy', { ...policy, PolicyDocument: '{}' }, 'MalformedPolicyDocument'],
      [
        'PutUserPolicy',
        { ...policy, PolicyDocument: allow('s3:*').replace('"Action"', '"Principal":"*","Action"') },
        'MalformedPolicyDocument',
      ],
      [
        'PutUserPolicy',
        { ...policy, PolicyDocument: allow('s3:*', `arn:aws:s3:::${'x'.repeat(2100)}`) },
        'LimitExceeded',
      ],
      ['GetUserPolicy', { UserName: name, PolicyName: 'none' }, 'NoSuchEntity'],
      ['CreateLoginProfile', { UserName: name }, 'NotImplemented'],
      ['CreateUser', { UserName: 'x', PermissionsBoundary: 'y' }, 'NotImplemented'],
    ] as const) {
      t.equal(tag(await iam(client, action, more), 'Code'), code, `${action} ${JSON.stringify(more).slice(0, 80)}`);
    }
    const page = await iam(client, 'ListUsers', { MaxItems: '1' });
    t.equal(tag(page, 'IsTruncated'), 'true');
    const next = await iam(client, 'ListUsers', { MaxItems: '1', Marker: tag(page, 'Marker') });
    t.not(tag(next, 'UserName'), tag(page, 'UserName'));
  },
};
