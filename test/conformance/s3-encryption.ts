/** Server-side encryption: what is answered, what is refused, and that every way to the bytes leads through the key. */
import { createHash, randomBytes } from 'node:crypto';
import type { Answer, Rig, S3Suite } from './s3-rig.ts';

const SSE = 'x-amz-server-side-encryption';
const md5 = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('base64');
const hex = (bytes: Buffer | string): string => createHash('md5').update(bytes).digest('hex');
const tag = (text: string, name: string): string | undefined => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1];

type Headers = Record<string, string>;

function customer(key: Buffer, prefix = 'x-amz-'): Headers {
  const name = `${prefix}server-side-encryption-customer`;
  return {
    [`${name}-algorithm`]: 'AES256',
    [`${name}-key`]: key.toString('base64'),
    [`${name}-key-md5`]: md5(key),
  };
}

const S3_MANAGED = { [SSE]: 'AES256' };
const KMS = { [SSE]: 'aws:kms' };
const KEY = randomBytes(32);
const OTHER = randomBytes(32);
/** Empty, small, one segment and its neighbours, inline and not, several segments, several chunks. */
const SIZES = [0, 5, 65_519, 65_520, 65_521, 65_536, 131_040, 200_000, 2_500_000];

const object = (client: Rig['client'], bucket: string) => ({
  put: (key: string, body: Buffer | string, headers: Headers = {}): Promise<Answer> =>
    client.ask('PUT', `/${bucket}/${key}`, { body, headers }),
  get: (key: string, headers: Headers = {}): Promise<Answer> => client.ask('GET', `/${bucket}/${key}`, { headers }),
  head: (key: string, headers: Headers = {}): Promise<Answer> => client.ask('HEAD', `/${bucket}/${key}`, { headers }),
});

export const encryption: S3Suite = {
  'bytes of every size, in all ways': async ({ t, client, bucket }) => {
    const { put, get, head } = object(client, bucket);
    for (const [name, headers, read] of [
      ['s3', S3_MANAGED, {}],
      ['kms', KMS, {}],
      ['c', customer(KEY), customer(KEY)],
    ] as const) {
      for (const size of SIZES) {
        const body = randomBytes(size);
        const made = await put(`${name}-${size}`, body, { ...headers, 'content-md5': md5(body) });
        t.equal(made.status, 200, made.text);
        t.equal(made.headers['etag'] === `"${hex(body)}"`, name === 's3', 'an MD5 only where S3 has the key');
        const got = await get(`${name}-${size}`, read);
        t.equal(got.status, 200, `${name} ${size}`);
        t.ok(got.body.equals(body), `${name}, ${size} bytes`);
        t.equal(got.headers['content-length'], String(size));
        for (const [first, last] of [
          [0, 0],
          [size - 1, size - 1],
          [65_519, 65_520],
          [60_000, 140_000],
          [1_000_000, 1_300_000],
        ] as const) {
          if (first < 0 || first >= size) continue;
          const part = await get(`${name}-${size}`, { ...read, range: `bytes=${first}-${last}` });
          t.equal(part.status, 206);
          t.ok(part.body.equals(body.subarray(first, last + 1)), `${name} ${size}: ${first}-${last}`);
        }
      }
      const shown = (await head(`${name}-5`, read)).headers;
      t.equal(shown[SSE], name === 's3' ? 'AES256' : name === 'kms' ? 'aws:kms' : undefined);
      t.equal(shown[`${SSE}-customer-key-md5`], name === 'c' ? md5(KEY) : undefined);
      t.equal(shown['content-length'], '5');
    }
    const wrong = { ...S3_MANAGED, 'content-md5': md5('other') };
    t.equal((await put('bad', 'text', wrong)).code, 'BadDigest', 'a digest is of the plain text');
    const sum = createHash('sha256').update('text').digest('base64');
    const summed = await put('sum', 'text', { ...customer(KEY), 'x-amz-checksum-sha256': sum });
    t.equal(summed.headers['x-amz-checksum-sha256'], sum);
    const listed = await client.ask('GET', `/${bucket}`, { query: 'list-type=2&prefix=s3-200000' });
    t.equal(tag(listed.text, 'Size'), '200000');
  },

  'a key of the client': async ({ t, client, bucket }) => {
    const { put, get, head } = object(client, bucket);
    const good = customer(KEY);
    const [algorithm, key, sum] = Object.keys(good) as [string, string, string];
    const without = (name: string): Headers =>
      Object.fromEntries(Object.entries(good).filter(([each]) => each !== name));
    for (const [headers, code] of [
      [without(algorithm), 'InvalidArgument'],
      [without(key), 'InvalidArgument'],
      [without(sum), 'InvalidArgument'],
      [{ ...good, [algorithm]: 'AES128' }, 'InvalidEncryptionAlgorithmError'],
      [{ ...good, [key]: Buffer.from('short').toString('base64') }, 'InvalidArgument'],
      [{ ...good, [sum]: md5('another') }, 'InvalidArgument'],
      [{ ...good, ...S3_MANAGED }, 'InvalidArgument'],
    ] as const) {
      const got = await put('k', 'text', headers);
      t.equal(`${got.status} ${got.code}`, `400 ${code}`);
      t.notMatch(got.text, KEY.toString('base64'), 'no error repeats a key');
    }
    await put('k', 'text', good);
    for (const ask of [get, head]) {
      t.equal((await ask('k')).status, 400, 'without the key');
      t.equal((await ask('k', customer(OTHER))).status, 403, 'with another');
      t.equal((await ask('k', good)).status, 200);
    }
    t.equal((await get('k')).code, 'InvalidRequest');
    t.equal((await get('k', customer(OTHER))).code, 'AccessDenied');
    await put('plain', 'text');
    t.equal((await get('plain', good)).code, 'InvalidRequest', 'a key for what has none');
    await put('managed', 'text', S3_MANAGED);
    t.equal((await get('managed', good)).code, 'InvalidRequest');
    t.equal((await get('managed', S3_MANAGED)).status, 400, 'a read chooses nothing');
    t.equal((await client.ask('DELETE', `/${bucket}/k`)).status, 204, 'to delete needs no key');
  },

  'keys of the store': async ({ t, client, bucket }) => {
    const { put, head } = object(client, bucket);
    for (const [headers, code] of [
      [{ [SSE]: 'aes:kms' }, 'InvalidArgument'],
      [{ [`${SSE}-aws-kms-key-id`]: 'x' }, 'InvalidArgument'],
      [{ ...S3_MANAGED, [`${SSE}-aws-kms-key-id`]: 'x' }, 'InvalidArgument'],
      [{ ...KMS, [`${SSE}-aws-kms-key-id`]: 'no-such-key' }, 'KMS.NotFoundException'],
      [{ ...KMS, [`${SSE}-aws-kms-key-id`]: 's3' }, 'KMS.NotFoundException'],
      [{ ...KMS, [`${SSE}-context`]: 'no JSON' }, 'InvalidArgument'],
      [{ [SSE]: 'aws:kms:dsse' }, 'NotImplemented'],
    ] as const) {
      t.equal((await put('k', 'text', headers)).code, code, JSON.stringify(headers));
    }
    const context = Buffer.from('{"for":"test"}').toString('base64');
    const named = {
      ...KMS,
      [`${SSE}-aws-kms-key-id`]: 'arn:aws:kms:us-east-1:1:key/aws/s3',
      [`${SSE}-context`]: context,
    };
    t.equal((await put('k', 'text', named)).headers[`${SSE}-aws-kms-key-id`], 'aws/s3');
    t.equal((await head('k')).headers[`${SSE}-context`], context);
  },

  'the default of a bucket': async ({ t, client, bucket }) => {
    const { put, get, head } = object(client, bucket);
    const set = (inner: string): Promise<Answer> =>
      client.ask('PUT', `/${bucket}`, {
        query: 'encryption',
        body: `<ServerSideEncryptionConfiguration><Rule>${inner}</Rule></ServerSideEncryptionConfiguration>`,
      });
    const by = (algorithm: string, more = ''): string =>
      `<ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</SSEAlgorithm>${more}</ApplyServerSideEncryptionByDefault>`;
    const read = (): Promise<Answer> => client.ask('GET', `/${bucket}`, { query: 'encryption' });
    t.equal((await read()).code, 'ServerSideEncryptionConfigurationNotFoundError');
    t.equal((await set('')).code, 'MalformedXML');
    t.equal((await set(by('DES'))).code, 'MalformedXML');
    t.equal((await set(by('AES256', '<KMSMasterKeyID>k</KMSMasterKeyID>'))).code, 'InvalidArgument');
    await put('before', 'text');
    t.equal((await set(by('AES256'))).status, 200);
    t.equal(tag((await read()).text, 'SSEAlgorithm'), 'AES256');
    t.equal((await put('after', 'text')).headers[SSE], 'AES256');
    t.equal((await head('before')).headers[SSE], undefined, 'what is there stays as it is');
    t.equal((await get('after')).text, 'text');
    t.equal((await put('own', 'text', customer(KEY))).headers[SSE], undefined, 'the request comes first');
    const begun = await client.ask('POST', `/${bucket}/m`, { query: 'uploads' });
    t.equal(begun.headers[SSE], 'AES256');
    t.equal((await set(`${by('aws:kms')}<BucketKeyEnabled>true</BucketKeyEnabled>`)).status, 200);
    t.equal((await put('kms', 'text')).headers[`${SSE}-bucket-key-enabled`], 'true');
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'encryption' })).status, 204);
    t.equal((await read()).code, 'ServerSideEncryptionConfigurationNotFoundError');
    t.equal((await put('last', 'text')).headers[SSE], undefined);
  },

  'uploads in parts': async ({ t, client, bucket }) => {
    const { get, put } = object(client, bucket);
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(70_001)];
    const whole = Buffer.concat(parts);
    for (const [name, headers] of [
      ['c', customer(KEY)],
      ['s3', S3_MANAGED],
    ] as const) {
      const own = name === 'c' ? headers : {};
      const begun = await client.ask('POST', `/${bucket}/${name}`, { query: 'uploads', headers });
      const uploadId = tag(begun.text, 'UploadId') ?? '';
      const part = (number: number, body: Buffer, more: Headers): Promise<Answer> =>
        client.ask('PUT', `/${bucket}/${name}`, {
          query: `partNumber=${number}&uploadId=${uploadId}`,
          body,
          headers: more,
        });
      if (name === 'c') {
        t.equal((await part(1, Buffer.from('x'), {})).code, 'InvalidRequest', 'a part without the key');
        t.equal((await part(1, Buffer.from('x'), customer(OTHER))).code, 'InvalidRequest');
      } else {
        t.equal((await part(1, Buffer.from('x'), customer(KEY))).code, 'InvalidRequest');
        t.equal((await part(1, Buffer.from('x'), KMS)).code, 'InvalidRequest', 'not as it was announced');
        t.equal((await part(1, Buffer.from('x'), S3_MANAGED)).status, 200, 'said again');
      }
      let list = '';
      for (const [index, body] of parts.entries()) {
        const etag = (await part(index + 1, body, own)).headers['etag'];
        list += `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`;
      }
      const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
      const complete = { query: `uploadId=${uploadId}`, body };
      const wrong = { ...complete, headers: customer(OTHER) };
      t.equal((await client.ask('POST', `/${bucket}/${name}`, wrong)).code, 'InvalidRequest', 'completed by another');
      const made = await client.ask('POST', `/${bucket}/${name}`, { ...complete, headers: own });
      t.equal(made.status, 200, made.text);
      t.ok((await get(name, own)).body.equals(whole), name);
      const range = { ...own, range: `bytes=${parts[0]!.length - 10}-${parts[0]!.length + 9}` };
      t.ok((await get(name, range)).body.equals(whole.subarray(parts[0]!.length - 10, parts[0]!.length + 10)));
      const second = await client.ask('GET', `/${bucket}/${name}`, { query: 'partNumber=2', headers: own });
      t.ok(second.body.equals(parts[1] as Buffer), 'one part of it');
    }
    await put('source', whole, customer(KEY));
    const begun = await client.ask('POST', `/${bucket}/p`, { query: 'uploads', headers: S3_MANAGED });
    const uploadId = tag(begun.text, 'UploadId') ?? '';
    const copied = await client.ask('PUT', `/${bucket}/p`, {
      query: `partNumber=1&uploadId=${uploadId}`,
      headers: {
        'x-amz-copy-source': `${bucket}/source`,
        'x-amz-copy-source-range': 'bytes=100-200099',
        ...customer(KEY, 'x-amz-copy-source-'),
      },
    });
    const list = `<Part><PartNumber>1</PartNumber><ETag>${tag(copied.text, 'ETag')}</ETag></Part>`;
    const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
    await client.ask('POST', `/${bucket}/p`, { query: `uploadId=${uploadId}`, body });
    t.ok((await get('p')).body.equals(whole.subarray(100, 200_100)), 'a part copied from what is encrypted otherwise');
  },

  'copies between all of them': async ({ t, client, bucket }) => {
    const { get, put, head } = object(client, bucket);
    const kinds = [
      ['plain', {}, {}, {}],
      ['s3', S3_MANAGED, {}, {}],
      ['kms', KMS, {}, {}],
      ['c', customer(KEY), customer(KEY), customer(KEY, 'x-amz-copy-source-')],
      ['other', customer(OTHER), customer(OTHER), customer(OTHER, 'x-amz-copy-source-')],
    ] as const;
    for (const size of [1000, 150_000]) {
      const body = randomBytes(size);
      for (const [from, write, , source] of kinds) {
        await put(from, body, write);
        for (const [to, target, read] of kinds) {
          const headers = { 'x-amz-copy-source': `${bucket}/${from}`, ...source, ...target };
          const made = await client.ask('PUT', `/${bucket}/${from}-${to}`, { headers });
          t.equal(made.status, 200, made.text);
          t.ok((await get(`${from}-${to}`, read)).body.equals(body), `${from} to ${to}, ${size} bytes`);
        }
      }
    }
    const source = { 'x-amz-copy-source': `${bucket}/c` };
    t.equal((await client.ask('PUT', `/${bucket}/x`, { headers: source })).code, 'InvalidRequest', 'no key');
    const wrong = { ...source, ...customer(OTHER, 'x-amz-copy-source-') };
    t.equal((await client.ask('PUT', `/${bucket}/x`, { headers: wrong })).code, 'AccessDenied', 'another key');
    const itself = { 'x-amz-copy-source': `${bucket}/plain`, ...S3_MANAGED };
    t.equal((await client.ask('PUT', `/${bucket}/plain`, { headers: itself })).status, 200, 'onto itself');
    t.equal((await head('plain')).headers[SSE], 'AES256');
  },
};
