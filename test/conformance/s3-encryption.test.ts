// Encryption, on the cluster as it is shipped: what lies on its disks is no plain text, and master keys rotate.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { addVersion, readKeyFile, writeKeyFile } from '../../cli/cluster/key-file.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';
import { type Both, openBoth } from './both-rig.ts';
import { encryption } from './s3-encryption.ts';

const secret = 'the-plain-text-of-a-secret';

t.setTimeout(120_000);

t.test('encryption', async (t) => {
  const first = await openBoth(t);
  const { client, data } = first;
  for (const [name, test] of Object.entries(encryption)) {
    await t.test(name, async (t) => test({ t, client, bucket: await client.makeBucket() }));
  }
  const bucket = await client.makeBucket();

  const large = Buffer.from(secret.repeat(10_000));
  const headers = { 'x-amz-server-side-encryption': 'aws:kms' };

  await t.test('what lies on the disks', async (t) => {
    await client.ask('PUT', `/${bucket}/small`, { body: secret, headers });
    await client.ask('PUT', `/${bucket}/large`, { body: large, headers });
    await client.ask('PUT', `/${bucket}/open`, { body: 'something-that-may-be-read' });
    let bytes = 0;
    let isOpenFound = false;
    for (const name of readdirSync(data, { recursive: true, encoding: 'utf8' })) {
      const file = path.join(data, name);
      if (!statSync(file).isFile()) continue;
      const content = readFileSync(file);
      bytes += content.length;
      isOpenFound ||= content.includes('something-that-may-be-read');
      t.notOk(content.includes(secret), name);
    }
    t.ok(bytes > large.length);
    t.ok(isOpenFound, 'the search finds what is there to be found');
    t.equal(statSync(path.join(data, 'master-keys.json')).mode & 0o777, 0o600);
  });

  await t.test('in Swift', (t) => inSwift(t, first));

  await t.test('rotation', async (t) => {
    const keys = readKeyFile(data) ?? new Map();
    t.equal(addVersion(keys, 'aws/s3', systemRandom), 2);
    addVersion(keys, 'mine', systemRandom);
    await writeKeyFile(data, systemDisk, keys);
    const named = { ...headers, 'x-amz-server-side-encryption-aws-kms-key-id': 'mine' };
    t.equal((await client.ask('PUT', `/${bucket}/named`, { body: secret, headers: named })).status, 200, 'a new key');
    await first.close();
    const second = await openBoth(t, data);
    const read = (key: string) => second.client.ask('GET', `/${bucket}/${key}`);
    t.equal((await read('small')).text, secret, 'what the version before wrapped');
    t.ok((await read('large')).body.equals(large));
    t.equal((await read('named')).text, secret);
    await second.client.ask('PUT', `/${bucket}/newer`, { body: secret, headers });
    const copied = { ...headers, 'x-amz-copy-source': `${bucket}/large` };
    t.equal((await second.client.ask('PUT', `/${bucket}/copy`, { headers: copied })).status, 200);
    await second.close();
    keys.get('aws/s3')?.delete(1);
    await writeKeyFile(data, systemDisk, keys);
    const third = await openBoth(t, data);
    const last = (key: string) => third.client.ask('GET', `/${bucket}/${key}`);
    t.equal((await last('newer')).text, secret, 'wrapped by the newest version');
    t.ok((await last('copy')).body.equals(large), 'and so is a copy of older bytes');
    t.equal((await last('small')).status, 400, 'without its master key nobody reads it');
    await third.close();
  });
});

async function inSwift(t: Test, { client, swift }: Both): Promise<void> {
  const own = await client.makeBucket();
  const rule =
    '<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault>';
  const body = `<ServerSideEncryptionConfiguration><Rule>${rule}</Rule></ServerSideEncryptionConfiguration>`;
  t.equal((await client.ask('PUT', `/${own}`, { query: 'encryption', body })).status, 200);
  const made = await swift('PUT', `/${own}/k`, {}, secret);
  t.equal(made.headers.get('etag'), createHash('md5').update(secret).digest('hex'), 'Swift compares it');
  t.equal(await (await swift('GET', `/${own}/k`)).text(), secret);
  const head = await client.ask('HEAD', `/${own}/k`);
  t.equal(head.headers['x-amz-server-side-encryption'], 'aws:kms', 'the default holds for both');
  const key = Buffer.alloc(32, 7);
  const customer = 'x-amz-server-side-encryption-customer';
  const headers = {
    [`${customer}-algorithm`]: 'AES256',
    [`${customer}-key`]: key.toString('base64'),
    [`${customer}-key-md5`]: createHash('md5').update(key).digest('base64'),
  };
  t.equal((await client.ask('PUT', `/${own}/c`, { body: secret, headers })).status, 200);
  t.equal((await swift('GET', `/${own}/c`)).status, 400, 'Swift has no way to bring a key');
  t.equal((await swift('DELETE', `/${own}/c`)).status, 204);
}
