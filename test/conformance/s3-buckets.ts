/** What SDKs and other accounts hear of a bucket: its region, its policy, its ACL when it is made again; and its dates. */
import type { S3Suite } from './s3-rig.ts';

const SECOND_MS = 1000;
const WITH_ACLS = { 'x-amz-object-ownership': 'ObjectWriter' };

export const buckets: S3Suite = {
  'the region, without a right to anything else': async ({ t, client, bucket }) => {
    for (const user of [client.owner, client.stranger, null]) {
      const got = await client.ask('HEAD', `/${bucket}`, { user });
      t.equal(got.status, user === client.owner ? 200 : 403);
      t.equal(got.headers['x-amz-bucket-region'], client.region);
    }
    t.equal((await client.ask('HEAD', `/${bucket}/o`, { user: null })).headers['x-amz-bucket-region'], undefined);
  },

  'made again, with the ACL of the last time': async ({ t, client }) => {
    const bucket = await client.makeBucket({ ...WITH_ACLS, 'x-amz-acl': 'public-read' });
    const isPublic = async (): Promise<boolean> =>
      (await client.ask('GET', `/${bucket}`, { user: null })).status === 200;
    t.equal(await isPublic(), true);
    t.equal((await client.ask('PUT', `/${bucket}`)).status, 200);
    t.equal(await isPublic(), false);
    t.equal((await client.ask('PUT', `/${bucket}`, { headers: { 'x-amz-acl': 'public-read' } })).status, 200);
    t.equal(await isPublic(), true);
    t.equal((await client.ask('PUT', `/${bucket}`, { user: client.stranger })).code, 'BucketAlreadyExists');
    t.equal(await isPublic(), true, 'others reset nothing');
    const ownership = await client.ask('GET', `/${bucket}`, { query: 'ownershipControls' });
    t.match(ownership.text, '>ObjectWriter<');
  },

  'its policy is its own account’s': async ({ t, client, bucket }) => {
    const Statement = {
      Effect: 'Allow',
      Principal: { AWS: client.ids.stranger },
      Action: 's3:*',
      Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
    };
    const body = JSON.stringify({ Version: '2012-10-17', Statement });
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'policy', body })).status, 204);
    const user = client.stranger;
    t.equal((await client.ask('GET', `/${bucket}`, { user })).status, 200, 'it holds');
    for (const [method, sent] of [
      ['GET', {}],
      ['PUT', { body }],
      ['DELETE', {}],
    ] as const) {
      const got = await client.ask(method, `/${bucket}`, { query: 'policy', user, ...sent });
      t.equal(`${got.status} ${got.code}`, '405 MethodNotAllowed', method);
    }
    t.equal((await client.ask('GET', `/${bucket}`, { query: 'policy' })).text, body);
  },

  'an ACL that is no XML': async ({ t, client }) => {
    const bucket = await client.makeBucket(WITH_ACLS);
    for (const body of ['garbage', '<AccessControlPolicy>', '<AccessControlPolicy/>']) {
      t.equal((await client.ask('PUT', `/${bucket}`, { query: 'acl', body })).code, 'MalformedACLError', body);
    }
  },

  'no date is ahead of the clock': async ({ t, client, bucket }) => {
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { body: 'x' });
    const now = Date.now();
    const head = await client.ask('HEAD', path);
    const modifiedMs = Date.parse(head.headers['last-modified'] as string);
    t.ok(modifiedMs <= now, `${head.headers['last-modified']} by ${new Date(now).toISOString()}`);
    const listed = /<LastModified>(.*?)</.exec((await client.ask('GET', `/${bucket}`)).text)?.[1] as string;
    t.equal(Math.floor(Date.parse(listed) / 1000) * 1000, modifiedMs, 'of the same second');
    const since = async (name: string, ms: number): Promise<number> =>
      (await client.ask('GET', path, { headers: { [name]: new Date(ms).toUTCString() } })).status;
    t.equal(await since('if-unmodified-since', now), 200, 'not modified since it was written');
    t.equal(await since('if-unmodified-since', modifiedMs), 200);
    t.equal(await since('if-unmodified-since', modifiedMs - SECOND_MS), 412);
    t.equal(await since('if-modified-since', modifiedMs), 304);
    t.equal(await since('if-modified-since', modifiedMs - SECOND_MS), 200);
  },
};
