/** Who may do what: ownership, ACLs, bucket policies and public access blocks, asked by owner, stranger, member, nobody. */
import { createHash } from 'node:crypto';
import type { Answer, S3Client, S3Suite, S3User, Sent } from './s3-rig.ts';

const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
const PAGES = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers';

const ownershipXml = (word: string): string =>
  `<OwnershipControls><Rule><ObjectOwnership>${word}</ObjectOwnership></Rule></OwnershipControls>`;

const blockXml = (...names: readonly string[]): string =>
  `<PublicAccessBlockConfiguration>${names.map((name) => `<${name}>true</${name}>`).join('')}</PublicAccessBlockConfiguration>`;

interface Statement {
  readonly Effect?: 'Allow' | 'Deny';
  readonly Principal?: unknown;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}

const policyOf = (...statements: readonly Statement[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((each) => ({ Effect: 'Allow', Principal: '*', ...each })),
  });

const arn = (path: string): string => `arn:aws:s3:::${path}`;

async function setPolicy(client: S3Client, bucket: string, body: string, user?: S3User): Promise<Answer> {
  return client.ask('PUT', `/${bucket}`, { query: 'policy', body, ...(user === undefined ? {} : { user }) });
}

/** "200 403 …" of the same request by owner, stranger, member and nobody. */
async function byAll(client: S3Client, method: string, path: string, sent: Sent = {}): Promise<string> {
  const statuses: number[] = [];
  for (const user of [client.owner, client.stranger, client.member, null]) {
    statuses.push((await client.ask(method, path, { ...sent, user })).status);
  }
  return statuses.join(' ');
}

const WITH_ACLS = { 'x-amz-object-ownership': 'ObjectWriter' };

export const rights: S3Suite = {
  'ownership controls': async ({ t, client, bucket }) => {
    const ask = (method: string, body?: string): Promise<Answer> =>
      client.ask(method, `/${bucket}`, { query: 'ownershipControls', ...(body === undefined ? {} : { body }) });
    t.match((await ask('GET')).text, '<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>', 'as AWS since 2023');
    for (const word of ['ObjectWriter', 'BucketOwnerPreferred', 'BucketOwnerEnforced']) {
      t.equal((await ask('PUT', ownershipXml(word))).status, 200);
      t.match((await ask('GET')).text, `<ObjectOwnership>${word}</ObjectOwnership>`);
    }
    t.equal((await ask('DELETE')).status, 204);
    t.equal((await ask('GET')).code, 'OwnershipControlsNotFoundError');
    for (const body of [ownershipXml('Mine'), '<OwnershipControls/>', '<x/>']) {
      t.equal((await ask('PUT', body)).code, 'MalformedXML', body);
    }
    const user = client.stranger;
    t.equal((await client.ask('GET', `/${bucket}`, { query: 'ownershipControls', user })).code, 'AccessDenied');
    const preferred = await client.makeBucket({ 'x-amz-object-ownership': 'BucketOwnerPreferred' });
    const got = await client.ask('GET', `/${preferred}`, { query: 'ownershipControls' });
    t.match(got.text, '<ObjectOwnership>BucketOwnerPreferred</ObjectOwnership>');
    const headers = { 'x-amz-object-ownership': 'BucketOwnerEnforced', 'x-amz-acl': 'public-read' };
    const refused = await client.ask('PUT', `/${bucket}-refused`, { headers });
    t.equal(refused.code, 'InvalidBucketAclWithObjectOwnership');
    await client.ask('PUT', `/${preferred}`, { query: 'acl', headers: { 'x-amz-acl': 'public-read' } });
    const back = { query: 'ownershipControls', body: ownershipXml('BucketOwnerEnforced') };
    t.equal((await client.ask('PUT', `/${preferred}`, back)).code, 'InvalidBucketAclWithObjectOwnership');
  },

  'ACLs are off unless asked for': async ({ t, client, bucket }) => {
    for (const headers of [{ 'x-amz-acl': 'public-read' }, { 'x-amz-grant-read': `uri=${ALL_USERS}` }]) {
      for (const [path, query, body] of [
        [`/${bucket}`, 'acl', undefined],
        [`/${bucket}/o`, '', 'x'],
        [`/${bucket}/o`, 'uploads', undefined],
      ] as const) {
        const sent = { query, headers, ...(body === undefined ? {} : { body }) };
        const got = await client.ask(query === 'uploads' ? 'POST' : 'PUT', path, sent);
        t.equal(`${got.status} ${got.code}`, '400 AccessControlListNotSupported', `${path}?${query}`);
      }
    }
    const headers = { 'x-amz-acl': 'bucket-owner-full-control' };
    t.equal((await client.ask('PUT', `/${bucket}/o`, { headers, body: 'x' })).status, 200);
    t.equal((await client.ask('PUT', `/${bucket}/o`, { query: 'acl', headers })).status, 200);
    t.equal(await byAll(client, 'GET', `/${bucket}/o`), '200 403 403 403');
  },

  'canned ACLs of buckets': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    await client.ask('PUT', `/${bucket}/o`, { body: 'x' });
    for (const [canned, lists, writes] of [
      ['public-read', '200 200 200 200', '200 403 403 403'],
      ['public-read-write', '200 200 200 200', '200 200 200 200'],
      ['authenticated-read', '200 200 200 403', '200 403 403 403'],
      ['private', '200 403 403 403', '200 403 403 403'],
    ] as const) {
      const headers = { 'x-amz-acl': canned };
      t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', headers })).status, 200, canned);
      t.equal(await byAll(client, 'GET', `/${bucket}`), lists, `${canned}: list`);
      t.equal(await byAll(client, 'PUT', `/${bucket}/theirs`, { body: 'y' }), writes, `${canned}: write`);
      t.equal(await byAll(client, 'GET', `/${bucket}/o`), '200 403 403 403', `${canned}: objects have their own`);
      t.equal(await byAll(client, 'GET', `/${bucket}`, { query: 'acl' }), '200 403 403 403', `${canned}: ACL`);
    }
    const made = await client.makeBucket({ 'x-amz-acl': 'public-read' });
    t.equal(await byAll(client, 'GET', `/${made}`), '200 200 200 200', 'an ACL at creation turns ACLs on');
    t.match((await client.ask('GET', `/${made}`, { query: 'acl' })).text, ALL_USERS);
    const bad = await client.ask('PUT', `/${bucket}`, { query: 'acl', headers: { 'x-amz-acl': 'public' } });
    t.equal(bad.code, 'InvalidArgument');
  },

  'ACLs of objects': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { headers: { 'x-amz-acl': 'public-read' }, body: 'x' });
    t.equal(await byAll(client, 'GET', path), '200 200 200 200');
    t.equal(await byAll(client, 'GET', `/${bucket}/none`), '404 403 403 403', 'only who may list may know');
    t.equal(await byAll(client, 'GET', path, { query: 'acl' }), '200 403 403 403');
    t.equal(await byAll(client, 'PUT', path, { body: 'y' }), '200 403 403 403', 'and the next one is private again');
    t.equal(await byAll(client, 'GET', path), '200 403 403 403');
    const etag = (await client.ask('HEAD', path)).headers['etag'];
    const modified = (await client.ask('HEAD', path)).headers['last-modified'];
    await client.ask('PUT', path, { query: 'acl', headers: { 'x-amz-acl': 'authenticated-read' } });
    t.equal(await byAll(client, 'GET', path), '200 200 200 403');
    t.match((await client.ask('GET', path, { query: 'acl' })).text, PAGES);
    const head = await client.ask('HEAD', path);
    t.same([head.headers['etag'], head.headers['last-modified']], [etag, modified], 'nothing else has changed');
    await client.ask('PUT', `/${bucket}/copy`, { headers: { 'x-amz-copy-source': path } });
    t.equal(await byAll(client, 'GET', `/${bucket}/copy`), '200 403 403 403', 'a copy takes no ACL along');
    const open = { 'x-amz-copy-source': path, 'x-amz-acl': 'public-read' };
    await client.ask('PUT', `/${bucket}/copy`, { headers: open });
    t.equal(await byAll(client, 'GET', `/${bucket}/copy`), '200 200 200 200');
    const none = { query: 'acl', headers: { 'x-amz-acl': 'private' } };
    t.equal((await client.ask('PUT', `/${bucket}/none`, none)).code, 'NoSuchKey');
  },

  'what nobody may do in a public bucket': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const open = { 'x-amz-acl': 'public-read-write' };
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', headers: open })).status, 200);
    const user = null;
    t.equal((await client.ask('PUT', `/${bucket}/o`, { user, body: 'x' })).status, 200);
    const upload = await client.ask('POST', `/${bucket}/o`, { query: 'uploads', user });
    t.match(upload.text, /<Code>AccessDenied<.*Anonymous users cannot initiate multipart uploads/);
    const body = '<Delete><Object><Key>o</Key></Object></Delete>';
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
    const deleted = await client.ask('POST', `/${bucket}`, { query: 'delete', body, headers, user });
    t.match(deleted.text, '<Deleted><Key>o</Key></Deleted>');
    const logs = { query: 'acl', headers: { 'x-amz-acl': 'log-delivery-write' } };
    t.equal((await client.ask('PUT', `/${bucket}`, logs)).status, 200);
    const shown = (await client.ask('GET', `/${bucket}`, { query: 'acl' })).text;
    t.match(shown, /LogDelivery<.*WRITE<.*LogDelivery<.*READ_ACP</);
    await client.ask('PUT', `/${bucket}/o`, { body: 'x' });
    t.equal((await client.ask('PUT', `/${bucket}/o`, logs)).code, 'InvalidArgument', 'of buckets alone');
  },

  'configurations that a policy shows to others': async ({ t, client, bucket }) => {
    const subs = {
      versioning: ['s3:GetBucketVersioning', 200],
      lifecycle: ['s3:GetLifecycleConfiguration', 404],
      notification: ['s3:GetBucketNotification', 200],
      requestPayment: ['s3:GetBucketRequestPayment', 200],
      metrics: ['s3:GetMetricsConfiguration', 200],
      cors: ['s3:GetBucketCORS', 404],
    } as const;
    for (const [query, [, status]] of Object.entries(subs)) {
      t.equal(await byAll(client, 'GET', `/${bucket}`, { query }), `${status} 403 403 403`, query);
    }
    const names = Object.values(subs).map(([action]) => action);
    const principal = { Principal: { AWS: client.ids.stranger } };
    await setPolicy(client, bucket, policyOf({ ...principal, Action: names, Resource: arn(bucket) }));
    for (const [query, [, status]] of Object.entries(subs)) {
      t.equal(await byAll(client, 'GET', `/${bucket}`, { query }), `${status} ${status} 403 403`, `${query} by policy`);
    }
  },

  'ACLs of uploads': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const path = `/${bucket}/whole`;
    const begun = await client.ask('POST', path, { query: 'uploads', headers: { 'x-amz-acl': 'public-read' } });
    const id = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1];
    const part = await client.ask('PUT', path, { query: `partNumber=1&uploadId=${id}`, body: 'part' });
    const list = `<Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part>`;
    const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
    t.equal((await client.ask('POST', path, { query: `uploadId=${id}`, body })).status, 200);
    t.equal((await client.ask('GET', path, { user: null })).text, 'part');
  },

  'grant headers and documents': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const { ids } = client;
    const path = `/${bucket}/o`;
    const grants = {
      'x-amz-grant-full-control': `id="${ids.owner}"`,
      'x-amz-grant-read': `id=${ids.stranger}, id="${ids.member}"`,
    };
    t.equal((await client.ask('PUT', path, { headers: grants, body: 'x' })).status, 200);
    t.equal(await byAll(client, 'GET', path), '200 200 200 403');
    await client.ask('PUT', path, { query: 'acl', headers: { 'x-amz-grant-read-acp': `id=${ids.stranger}` } });
    t.equal(await byAll(client, 'GET', path, { query: 'acl' }), '200 200 403 403', 'owners may always read the ACL');
    t.equal(await byAll(client, 'GET', path), '403 403 403 403', 'nobody was left READ, not the owner either');
    const document = (await client.ask('GET', `/${bucket}`, { query: 'acl' })).text;
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', body: document })).status, 200, 'written back');
    const grantee = `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>${ids.stranger}</ID></Grantee>`;
    const more = `<Grant>${grantee}<Permission>WRITE_ACP</Permission></Grant></AccessControlList>`;
    const handed = document.replace('</AccessControlList>', more);
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', body: handed })).status, 200);
    const user = client.stranger;
    const headers = { 'x-amz-acl': 'public-read-write' };
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', headers, user })).status, 200, 'WRITE_ACP');
    t.equal((await client.ask('PUT', `/${bucket}/theirs`, { body: 'z', user })).status, 200);
    t.equal(await byAll(client, 'GET', `/${bucket}/theirs`), '403 200 403 403', 'the writer owns it');
    t.match((await client.ask('GET', `/${bucket}/theirs`, { query: 'acl', user })).text, `<ID>${ids.stranger}</ID>`);
    const names = async (query: string): Promise<string[]> => {
      const { text } = await client.ask('GET', `/${bucket}`, { query });
      return [...text.matchAll(/<(Owner|Initiator)><ID>(.*?)<.ID>/g)].map(([, role, id]) => `${role} ${id}`);
    };
    t.same(await names('prefix=theirs'), [`Owner ${ids.stranger}`], 'listings show it');
    t.same(await names('prefix=o'), [`Owner ${ids.owner}`]);
    t.equal((await client.ask('POST', `/${bucket}/big`, { query: 'uploads', user })).status, 200);
    t.same(await names('uploads'), [`Initiator ${ids.stranger}`, `Owner ${ids.stranger}`]);
    const full = { 'x-amz-acl': 'bucket-owner-full-control' };
    await client.ask('PUT', `/${bucket}/theirs`, { body: 'z', user, headers: full });
    t.equal(await byAll(client, 'GET', `/${bucket}/theirs`), '200 200 403 403');
    t.equal((await client.ask('DELETE', `/${bucket}/theirs`)).status, 204, 'a bucket’s owner deletes everything');
  },

  'ACLs of versions': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    const on = await client.ask('PUT', `/${bucket}`, { query: 'versioning', body });
    if (on.code === 'NotImplemented') return t.comment('a store without versions');
    const path = `/${bucket}/o`;
    const ids: string[] = [];
    for (const text of ['old', 'new']) {
      ids.push((await client.ask('PUT', path, { body: text })).headers['x-amz-version-id'] ?? '');
    }
    for (const id of ids) {
      const headers = { 'x-amz-acl': 'public-read' };
      const query = `acl&versionId=${id}`;
      t.equal((await client.ask('PUT', path, { query, headers })).status, 200);
      t.match((await client.ask('GET', path, { query })).text, ALL_USERS);
      t.equal(await byAll(client, 'GET', path, { query: `versionId=${id}` }), '200 200 200 200', id);
      if (id === ids[0]) t.equal(await byAll(client, 'GET', path), '200 403 403 403', 'the other one is not touched');
    }
    t.equal((await client.ask('GET', path, { query: `versionId=${ids[0]}` })).text, 'old');
    const gone = { query: 'acl&versionId=0123456789abcdef', headers: { 'x-amz-acl': 'private' } };
    t.equal((await client.ask('PUT', path, gone)).code, 'NoSuchVersion');
  },

  'bad ACLs': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const put = async (headers: Record<string, string>, body?: string): Promise<string | undefined> =>
      (await client.ask('PUT', `/${bucket}`, { query: 'acl', headers, ...(body === undefined ? {} : { body }) })).code;
    t.equal(await put({ 'x-amz-grant-read': 'id=nobody-known' }), 'InvalidArgument');
    t.equal(await put({ 'x-amz-grant-read': 'uri=http://acs.amazonaws.com/groups/global/Friends' }), 'InvalidArgument');
    t.equal(await put({ 'x-amz-grant-read': 'name=x' }), 'InvalidArgument');
    t.equal(await put({ 'x-amz-grant-read': 'emailAddress="a@b.c"' }), 'UnresolvableGrantByEmailAddress');
    t.equal(await put({ 'x-amz-acl': 'private', 'x-amz-grant-read': `uri=${ALL_USERS}` }), 'InvalidRequest');
    t.equal(await put({ 'x-amz-acl': 'private' }, '<AccessControlPolicy/>'), 'UnexpectedContent');
    t.equal(await put({}), 'MissingSecurityHeader');
    t.equal(await put({}, '<AccessControlPolicy/>'), 'MalformedACLError');
    const document = (await client.ask('GET', `/${bucket}`, { query: 'acl' })).text;
    t.equal(await put({}, document.replace('FULL_CONTROL', 'SUDO')), 'MalformedACLError');
    const other = document.replace(`<Owner><ID>${client.ids.owner}`, `<Owner><ID>${client.ids.stranger}`);
    t.equal(await put({}, other), 'AccessDenied', 'nobody gives a bucket away');
    const headers = { 'x-amz-acl': 'public-read' };
    t.equal((await client.ask('GET', `/${bucket}`, { headers })).code, 'AccessControlListNotSupported');
  },

  'bucket policies': async ({ t, client, bucket }) => {
    const ask = (method: string, user: S3User = client.owner): Promise<Answer> =>
      client.ask(method, `/${bucket}`, { query: 'policy', user });
    t.equal((await ask('GET')).code, 'NoSuchBucketPolicy');
    await client.ask('PUT', `/${bucket}/open/o`, { body: 'x' });
    await client.ask('PUT', `/${bucket}/shut/o`, { body: 'x' });
    const open = policyOf({ Action: 's3:GetObject', Resource: arn(`${bucket}/open/*`) });
    t.equal((await setPolicy(client, bucket, open)).status, 204);
    const got = await ask('GET');
    t.equal(got.text, open, 'as it was sent');
    t.equal(got.headers['content-type'], 'application/json');
    const status = await client.ask('GET', `/${bucket}`, { query: 'policyStatus' });
    t.match(status.text, '<IsPublic>true</IsPublic>');
    t.equal(await byAll(client, 'GET', `/${bucket}/open/o`), '200 200 200 200');
    t.equal(await byAll(client, 'GET', `/${bucket}/shut/o`), '200 403 403 403');
    t.equal(await byAll(client, 'PUT', `/${bucket}/open/o`, { body: 'y' }), '200 403 403 403');
    t.equal(await byAll(client, 'GET', `/${bucket}`), '200 403 403 403');
    for (const method of ['GET', 'DELETE']) t.equal((await ask(method, client.stranger)).code, 'AccessDenied');
    t.equal((await setPolicy(client, bucket, open, client.stranger)).code, 'AccessDenied');
    t.equal((await ask('DELETE')).status, 204);
    t.equal((await ask('DELETE')).status, 204, 'twice');
    t.equal(await byAll(client, 'GET', `/${bucket}/open/o`), '200 403 403 403');
  },

  'policies name people': async ({ t, client, bucket }) => {
    const { ids } = client;
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { body: 'x' });
    for (const [principal, expected] of [
      [{ AWS: ids.stranger }, '200 200 403 403'],
      [{ AWS: `arn:aws:iam::${ids.stranger.replace('AUTH_', '')}:root` }, '200 200 403 403'],
      [{ CanonicalUser: ids.stranger }, '200 200 403 403'],
      [{ AWS: ['arn:aws:iam::test:user/member'] }, '200 403 200 403'],
      [{ AWS: '*' }, '200 200 200 200'],
    ] as const) {
      const policy = policyOf({ Principal: principal, Action: 's3:Get*', Resource: arn(`${bucket}/*`) });
      t.equal((await setPolicy(client, bucket, policy)).status, 204);
      t.equal(await byAll(client, 'GET', path), expected, JSON.stringify(principal));
    }
    const lists = { Principal: { AWS: ids.member }, Action: 's3:ListBucket', Resource: arn(bucket) };
    await setPolicy(client, bucket, policyOf({ ...lists, Condition: { StringLike: { 's3:prefix': 'home/*' } } }));
    t.equal(await byAll(client, 'GET', `/${bucket}`, { query: 'prefix=home%2Fa' }), '200 403 200 403');
    t.equal(await byAll(client, 'GET', `/${bucket}`), '200 403 403 403');
    const home = arn(`${bucket}/home/\${aws:username}/*`);
    await setPolicy(client, bucket, policyOf({ Action: ['s3:PutObject', 's3:DeleteObject'], Resource: home }));
    t.equal(await byAll(client, 'PUT', `/${bucket}/home/member/o`, { body: 'x' }), '200 403 200 403');
    t.equal(await byAll(client, 'DELETE', `/${bucket}/home/member/o`), '204 403 204 403');
  },

  'a Deny goes before everything': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { headers: { 'x-amz-acl': 'public-read' }, body: 'x' });
    const resource = [arn(bucket), arn(`${bucket}/*`)];
    const deny = policyOf(
      { Action: 's3:*', Resource: resource },
      {
        Effect: 'Deny',
        Action: 's3:*',
        Resource: resource,
        Condition: { Bool: { 'aws:SecureTransport': client.isTls } },
      },
    );
    t.equal((await setPolicy(client, bucket, deny)).status, 204);
    t.equal(await byAll(client, 'GET', path), '403 403 403 403', 'the ACL does not help, nor being the owner');
    t.equal(await byAll(client, 'GET', `/${bucket}`, { query: 'policy' }), '200 403 403 403', 'but for the policy');
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'policy' })).status, 204);
    t.equal(await byAll(client, 'GET', path), '200 200 200 200');
    const here = { IpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '::1/128'] } };
    const elsewhere = { NotIpAddress: here.IpAddress };
    for (const [condition, expected] of [
      [here, '403 403 403 403'],
      [elsewhere, '200 200 200 200'],
    ] as const) {
      const statement: Statement = { Effect: 'Deny', Action: 's3:GetObject', Resource: arn(`${bucket}/*`) };
      await setPolicy(client, bucket, policyOf({ ...statement, Condition: condition }));
      t.equal(await byAll(client, 'GET', path), expected, JSON.stringify(condition));
    }
    const acl = { StringNotEquals: { 's3:x-amz-acl': 'public-read' } };
    await setPolicy(
      client,
      bucket,
      policyOf({ Effect: 'Deny', Action: 's3:PutObject', Resource: arn(`${bucket}/*`), Condition: acl }),
    );
    t.equal((await client.ask('PUT', path, { body: 'y' })).code, 'AccessDenied');
    t.equal((await client.ask('PUT', path, { headers: { 'x-amz-acl': 'public-read' }, body: 'y' })).status, 200);
  },

  'who may know what is not there': async ({ t, client, bucket }) => {
    const read: Statement = { Action: ['s3:GetObject', 's3:PutObject'], Resource: arn(`${bucket}/*`) };
    await setPolicy(client, bucket, policyOf(read));
    const headers = { 'x-amz-copy-source': `/${bucket}/none` };
    t.equal(await byAll(client, 'GET', `/${bucket}/none`), '404 403 403 403');
    t.equal(await byAll(client, 'HEAD', `/${bucket}/none`), '404 403 403 403');
    const copy = await client.ask('PUT', `/${bucket}/copy`, { headers, user: client.stranger });
    t.equal(copy.code, 'AccessDenied', 'nor by copying it');
    const here = { IpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '::1/128'] } };
    await setPolicy(
      client,
      bucket,
      policyOf(read, { Action: 's3:ListBucket', Resource: arn(bucket), Condition: here }),
    );
    t.equal(await byAll(client, 'GET', `/${bucket}/none`), '404 404 404 404', 'whoever may list');
  },

  'whoever began an upload': async ({ t, client, bucket }) => {
    const user = client.stranger;
    const statement = { Principal: { AWS: client.ids.stranger }, Action: 's3:PutObject', Resource: arn(`${bucket}/*`) };
    await setPolicy(client, bucket, policyOf(statement));
    const begin = async (by?: S3User): Promise<string> => {
      const begun = await client.ask('POST', `/${bucket}/o`, { query: 'uploads', ...(by ? { user: by } : {}) });
      return /<UploadId>(.*)<\/UploadId>/.exec(begun.text)?.[1] ?? '';
    };
    const [theirs, ours] = [await begin(user), await begin()];
    const list = (id: string) => client.ask('GET', `/${bucket}/o`, { query: `uploadId=${id}`, user });
    const abort = (id: string) => client.ask('DELETE', `/${bucket}/o`, { query: `uploadId=${id}`, user });
    t.equal((await list(theirs)).status, 200, 'may list its parts');
    t.equal((await list(ours)).code, 'AccessDenied');
    t.equal((await abort(ours)).code, 'AccessDenied');
    const forbidden = { ...statement, Effect: 'Deny', Action: 's3:AbortMultipartUpload' } as const;
    await setPolicy(client, bucket, policyOf(statement, forbidden));
    t.equal((await abort(theirs)).code, 'AccessDenied', 'what a policy forbids');
    await setPolicy(client, bucket, policyOf(statement));
    t.equal((await abort(theirs)).status, 204, 'may abort it');
    t.equal((await list(theirs)).code, 'AccessDenied', 'and is told nothing more');
  },

  'malformed policies': async ({ t, client, bucket }) => {
    const fine = { Action: 's3:GetObject', Resource: arn(`${bucket}/*`) };
    for (const [what, body] of [
      ['nothing', ''],
      ['no JSON', '{'],
      ['an array', '[]'],
      ['no statement', '{"Version":"2012-10-17"}'],
      ['version', policyOf(fine).replace('2012-10-17', '2020-01-01')],
      ['action', policyOf({ ...fine, Action: 's3:Frobnicate' })],
      ['resource', policyOf({ ...fine, Resource: arn('another-bucket/*') })],
      ['principal', policyOf({ ...fine, Principal: { AWS: 'arn:aws:iam::*:root' } })],
      ['an action on objects with a bucket', policyOf({ ...fine, Resource: arn(bucket) })],
      ['an action on the bucket with objects', policyOf({ ...fine, Action: 's3:ListBucket' })],
      ['operator', policyOf({ ...fine, Condition: { StringIsh: { 's3:prefix': 'a' } } })],
      ['key', policyOf({ ...fine, Condition: { StringEquals: { 'aws:MadeUp': 'a' } } })],
      [
        '20 KiB',
        policyOf({ ...fine, Resource: Array.from({ length: 600 }, (_, i) => arn(`${bucket}/${i}${'x'.repeat(20)}`)) }),
      ],
    ] as const) {
      const got = await setPolicy(client, bucket, body);
      t.equal(`${got.status} ${got.code}`, '400 MalformedPolicy', what);
    }
    t.equal((await client.ask('GET', `/${bucket}`, { query: 'policy' })).code, 'NoSuchBucketPolicy');
  },

  'public access block': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    const path = `/${bucket}/o`;
    const ask = (method: string, body?: string): Promise<Answer> =>
      client.ask(method, `/${bucket}`, { query: 'publicAccessBlock', ...(body === undefined ? {} : { body }) });
    t.equal((await ask('GET')).code, 'NoSuchPublicAccessBlockConfiguration');
    t.equal((await ask('PUT', '<x/>')).code, 'MalformedXML');
    const open = { 'x-amz-acl': 'public-read' };
    await client.ask('PUT', path, { headers: open, body: 'x' });
    t.equal((await ask('PUT', blockXml('BlockPublicAcls', 'BlockPublicPolicy'))).status, 200);
    t.match(
      (await ask('GET')).text,
      '<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>',
    );
    t.equal(await byAll(client, 'GET', path), '200 200 200 200', 'what is public stays so');
    for (const [target, query, body] of [
      [`/${bucket}`, 'acl', undefined],
      [path, 'acl', undefined],
      [path, '', 'y'],
    ] as const) {
      const sent = { query, headers: open, ...(body === undefined ? {} : { body }) };
      t.equal((await client.ask('PUT', target, sent)).code, 'AccessDenied', `${target}?${query}`);
    }
    const everybody = policyOf({ Action: 's3:GetObject', Resource: arn(`${bucket}/*`) });
    t.equal((await setPolicy(client, bucket, everybody)).code, 'AccessDenied');
    const narrow = { Principal: { AWS: client.ids.stranger }, Action: 's3:GetObject', Resource: arn(`${bucket}/*`) };
    t.equal((await setPolicy(client, bucket, policyOf(narrow))).status, 204, 'one that is not public is not blocked');
    t.equal((await ask('PUT', blockXml('IgnorePublicAcls'))).status, 200);
    t.equal(await byAll(client, 'GET', path), '200 200 403 403', 'the policy still counts');
    t.equal((await setPolicy(client, bucket, everybody)).status, 204);
    t.equal(await byAll(client, 'GET', path), '200 200 200 200');
    t.equal((await ask('PUT', blockXml('RestrictPublicBuckets', 'IgnorePublicAcls'))).status, 200);
    t.equal(await byAll(client, 'GET', path), '200 403 200 403', 'only the owner’s own account is left');
    t.equal((await ask('DELETE')).status, 204);
    t.equal((await ask('GET')).code, 'NoSuchPublicAccessBlockConfiguration');
    t.equal(await byAll(client, 'GET', path), '200 200 200 200');
  },
};
