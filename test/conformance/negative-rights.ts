/** Who may not: denials against every kind of permission, and ways around rights through copies, links and manifests. */
import { hash } from 'node:crypto';
import { codeOf, type Negative, type NegativeSuite, namesIn } from './negative-rig.ts';

const setPolicy = ({ s3 }: Negative, bucket: string, ...Statement: object[]) =>
  s3.ask('PUT', `/${bucket}`, { query: 'policy', body: JSON.stringify({ Version: '2012-10-17', Statement }) });

/** Statuses of the owner, a stranger and nobody, by both APIs. */
async function statuses(rig: Negative, method: string, path: string): Promise<string> {
  const { s3, swift, stranger, anonymous } = rig;
  const found: number[] = [];
  for (const user of [s3.owner, s3.stranger, null]) found.push((await s3.ask(method, path, { user })).status);
  for (const client of [swift, stranger, anonymous]) {
    const token: Record<string, string> = client === anonymous ? {} : { 'x-auth-token': client.token };
    found.push((await client.raw(method, `${swift.base}${path}`, { headers: token })).status);
  }
  return found.join(' ');
}

/** A bucket of the stranger's with a secret in it. */
async function makeSecret({ s3 }: Negative, bucket: string): Promise<string> {
  const name = `${bucket}-theirs`;
  await s3.ask('PUT', `/${name}`, { user: s3.stranger });
  await s3.ask('PUT', `/${name}/secret`, { user: s3.stranger, body: 'a secret' });
  return name;
}

export const rights: NegativeSuite = {
  'a denial outweighs whatever allows': async (rig) => {
    const { t, s3, swift, bucket } = rig;
    const path = `/${bucket}/safe`;
    const all = { Principal: '*', Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`] };
    await s3.ask('PUT', path, { query: 'acl', headers: { 'x-amz-acl': 'public-read' } });
    t.equal(await statuses(rig, 'GET', path), '200 200 200 200 200 200', 'an object’s ACL allows all');
    await setPolicy(rig, bucket, { Effect: 'Deny', ...all, Action: 's3:GetObject' });
    t.equal(await statuses(rig, 'GET', path), '403 403 403 403 403 401', 'and a Deny takes it from all');
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-read': '.r:*,.rlistings' } });
    t.equal(await statuses(rig, 'GET', path), '403 403 403 403 403 401', 'from Swift’s ACL too');
    const allow = { Effect: 'Allow', ...all, Action: 's3:*' };
    await setPolicy(rig, bucket, allow, { Effect: 'Deny', ...all, Action: 's3:GetObject' });
    t.equal(await statuses(rig, 'GET', path), '403 403 403 403 403 401', 'from an Allow in the same policy');
    await setPolicy(rig, bucket, {
      Effect: 'Deny',
      ...all,
      Action: 's3:GetObject*',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    });
    t.equal(await statuses(rig, 'GET', path), '403 403 403 403 403 401', 'with a condition');
    const copied = await s3.ask('PUT', `/${bucket}/copy`, { headers: { 'x-amz-copy-source': path } });
    t.equal(codeOf(copied), '403 AccessDenied', 'a copy reads');
    const parts = await swift.ask('PUT', `/${bucket}/copy`, {
      headers: { 'x-copy-from': path, 'content-length': '0' },
    });
    t.equal(parts.status, 403, 'Swift’s too');
    await s3.ask('DELETE', `/${bucket}`, { query: 'policy' });
    await s3.ask('PUT', path, { query: 'acl', headers: { 'x-amz-acl': 'private' } });
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-read': '' } });
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'a denial of writes holds for every way to write': async (rig) => {
    const { t, s3, swift, bucket } = rig;
    const all = { Principal: '*', Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`] };
    await swift.ask('POST', `/${bucket}`, {
      headers: { 'x-container-write': '*:*', 'x-container-meta-temp-url-key': 'k' },
    });
    await setPolicy(rig, bucket, { Effect: 'Deny', ...all, Action: ['s3:PutObject', 's3:DeleteObject'] });
    t.equal(await statuses(rig, 'DELETE', `/${bucket}/safe`), '403 403 403 403 403 401');
    t.equal(codeOf(await s3.ask('PUT', `/${bucket}/new`, { body: 'x' })), '403 AccessDenied', 'PUT');
    t.equal(codeOf(await s3.ask('POST', `/${bucket}/new`, { query: 'uploads' })), '403 AccessDenied', 'an upload');
    t.equal((await swift.ask('PUT', `/${bucket}/new`, { body: 'x' })).status, 403, 'Swift PUT');
    t.equal(
      (await swift.ask('POST', `/${bucket}/safe`, { headers: { 'x-object-meta-a': 'b' } })).status,
      403,
      'Swift POST',
    );
    const copied = await swift.ask('COPY', `/${bucket}/safe`, { headers: { destination: `${bucket}/new` } });
    t.equal(copied.status, 403, 'COPY');
    const gone = await swift.ask('POST', '?bulk-delete', {
      body: `${bucket}/safe`,
      headers: { accept: 'application/json' },
    });
    t.match(JSON.parse(gone.text), { 'Number Deleted': 0 }, 'bulk delete');
    const body = '<Delete><Object><Key>safe</Key></Object></Delete>';
    const headers = { 'content-md5': hash('md5', body, 'base64') };
    const many = await s3.ask('POST', `/${bucket}`, { query: 'delete', headers, body });
    t.match(many.text, '<Code>AccessDenied</Code>', 'DeleteObjects');
    const manifest = JSON.stringify([{ path: `/${bucket}/safe` }]);
    t.equal((await swift.ask('PUT', `/${bucket}/slo?multipart-manifest=put`, { body: manifest })).status, 403, 'SLO');
    t.same(await namesIn(rig, bucket), ['safe']);
    await s3.ask('DELETE', `/${bucket}`, { query: 'policy' });
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-write': '' } });
  },

  'copies from and to accounts of others': async (rig) => {
    const { t, s3, swift, bucket } = rig;
    const theirs = await makeSecret(rig, bucket);
    const stranger = s3.stranger;
    for (const source of [
      `${theirs}/secret`,
      `/${theirs}/secret`,
      `${theirs}%2Fsecret`,
      `/${theirs}/secret?versionId=null`,
    ]) {
      const got = await s3.ask('PUT', `/${bucket}/new`, { headers: { 'x-amz-copy-source': source } });
      t.equal(codeOf(got), '403 AccessDenied', source);
    }
    const started = await s3.ask('POST', `/${bucket}/upload`, { query: 'uploads' });
    const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(started.text)?.[1] ?? '';
    const part = await s3.ask('PUT', `/${bucket}/upload`, {
      query: `partNumber=1&uploadId=${uploadId}`,
      headers: { 'x-amz-copy-source': `${theirs}/secret` },
    });
    t.equal(codeOf(part), '403 AccessDenied', 'a part');
    for (const [method, query] of [
      ['PUT', `partNumber=1&uploadId=${uploadId}`],
      ['POST', `uploadId=${uploadId}`],
      ['GET', `uploadId=${uploadId}`],
      ['DELETE', `uploadId=${uploadId}`],
    ] as const) {
      const body =
        '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part></CompleteMultipartUpload>';
      const got = await s3.ask(method, `/${bucket}/upload`, {
        query,
        user: stranger,
        ...(method === 'POST' && { body }),
      });
      t.equal(codeOf(got), '403 AccessDenied', `an upload of others: ${method}`);
    }
    const elsewhere = await s3.ask('PUT', `/${theirs}/upload`, {
      query: `partNumber=1&uploadId=${uploadId}`,
      user: stranger,
      body: 'x',
    });
    t.equal(codeOf(elsewhere), '404 NoSuchUpload', 'its id in another bucket');
    const from = { 'x-copy-from': `/${theirs}/secret`, 'x-copy-from-account': 'AUTH_test2', 'content-length': '0' };
    t.equal((await swift.ask('PUT', `/${bucket}/new`, { headers: from })).status, 403, 'X-Copy-From-Account');
    const to = { destination: `/${theirs}/new`, 'destination-account': 'AUTH_test2' };
    t.equal((await swift.ask('COPY', `/${bucket}/safe`, { headers: to })).status, 403, 'Destination-Account');
    for (const account of ['AUTH_test2/../AUTH_test', '../AUTH_test2', 'AUTH_none', 'auth_test2']) {
      const got = await swift.ask('PUT', `/${bucket}/new`, { headers: { ...from, 'x-copy-from-account': account } });
      t.ok([403, 404, 412].includes(got.status), `${account}: ${got.status}`);
    }
    t.same(await namesIn(rig, bucket), ['safe']);
    t.same((await s3.ask('GET', `/${theirs}`, { user: stranger })).text.match(/<Key>.*?<\/Key>/g), [
      '<Key>secret</Key>',
    ]);
  },

  'links to what one may not read, and in circles': async (rig) => {
    const { t, s3, swift, stranger, anonymous, bucket } = rig;
    const theirs = await makeSecret(rig, bucket);
    const link = (name: string, target: string, headers: Record<string, string> = {}) =>
      swift.ask('PUT', `/${bucket}/${name}`, {
        headers: { 'x-symlink-target': target, 'content-length': '0', ...headers },
      });
    t.equal((await link('out', `${theirs}/secret`, { 'x-symlink-target-account': 'AUTH_test2' })).status, 201);
    t.equal((await swift.ask('GET', `/${bucket}/out`)).status, 403, 'the target’s rights count');
    t.equal((await s3.ask('GET', `/${bucket}/out`)).text, '', 'S3 shows the link');
    const etag = {
      'x-symlink-target-account': 'AUTH_test2',
      'x-symlink-target-etag': 'd41d8cd98f00b204e9800998ecf8427e',
    };
    t.equal((await link('static', `${theirs}/secret`, etag)).status, 403, 'nor does a static link tell of it');
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-read': '.r:*' } });
    t.equal((await anonymous.ask('GET', `/${bucket}/out`)).status, 401, 'a public link opens nothing');
    t.equal(
      (await stranger.raw('GET', `${swift.base}/${bucket}/out`, { headers: { 'x-auth-token': stranger.token } })).text,
      'a secret',
      'but to whom it belongs',
    );
    for (let i = 0; i < 5; i++) t.equal((await link(`loop${i}`, `${bucket}/loop${(i + 1) % 5}`)).status, 201);
    for (const method of ['GET', 'HEAD'])
      t.equal((await swift.ask(method, `/${bucket}/loop0`)).status, 409, `${method} of a circle`);
    t.equal(
      (await swift.ask('COPY', `/${bucket}/loop0`, { headers: { destination: `${bucket}/copy` } })).status,
      409,
      'COPY',
    );
    t.equal((await link('self', `${bucket}/self`)).status, 400, 'to itself');
    const segments = JSON.stringify([{ path: `/${bucket}/loop0` }]);
    const slo = await swift.ask('PUT', `/${bucket}/slo?multipart-manifest=put`, { body: segments });
    t.ok(slo.status >= 400 && slo.status < 500, `a manifest of a circle: ${slo.status}`);
    t.equal((await swift.ask('POST', `/${bucket}/loop0`, { headers: { 'x-object-meta-a': 'b' } })).status, 307, 'POST');
    for (const name of ['out', 'loop0', 'loop1', 'loop2', 'loop3', 'loop4'])
      await swift.ask('DELETE', `/${bucket}/${name}`);
    await swift.ask('POST', `/${bucket}`, { headers: { 'x-container-read': '' } });
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'manifests that climb, loop and name other accounts': async (rig) => {
    const { t, swift, bucket } = rig;
    const theirs = await makeSecret(rig, bucket);
    const put = (name: string, list: unknown) =>
      swift.ask('PUT', `/${bucket}/${name}?multipart-manifest=put`, {
        body: typeof list === 'string' ? list : JSON.stringify(list),
      });
    for (const path of [
      `/${theirs}/secret`,
      `/../AUTH_test2/${theirs}/secret`,
      `/v1/AUTH_test2/${theirs}/secret`,
      `/AUTH_test2/${theirs}/secret`,
      `//${theirs}/secret`,
      `/${bucket}`,
      '/',
      '',
      `/${bucket}/\0`,
      'http://127.0.0.1/x/y',
      // Quadratic time would be hours.
      `/c${'/'.repeat(2_000_000)}\0`,
    ]) {
      t.equal((await put('slo', [{ path }])).status, 400, JSON.stringify(path));
    }
    t.equal((await put('self', [{ path: `/${bucket}/self` }])).status, 400, 'of itself');
    t.equal((await put('a', [{ path: `/${bucket}/safe` }])).status, 201);
    t.equal((await put('b', [{ path: `/${bucket}/a` }])).status, 201);
    const closed = await put('a', [{ path: `/${bucket}/b` }]);
    t.ok([201, 400, 409].includes(closed.status), `a circle: ${closed.status}`);
    const circle = await swift.ask('GET', `/${bucket}/a`).catch(() => undefined);
    t.ok(circle === undefined || circle.status === 409 || circle.text === 'safe', `reading it ends: ${circle?.status}`);
    await swift.ask('PUT', `/${bucket}/n0`, { body: 'x' });
    for (let depth = 1; depth <= 14; depth++) await put(`n${depth}`, [{ path: `/${bucket}/n${depth - 1}` }]);
    const deep = await swift.ask('GET', `/${bucket}/n14`).catch(() => undefined);
    t.ok(deep === undefined || deep.status === 409 || deep.status === 404, `ten levels are enough: ${deep?.status}`);
    for (const list of [
      '',
      '{}',
      'null',
      '[',
      '[null]',
      '[[]]',
      '[{}]',
      '[{"path":5}]',
      '[{"path":"/c/o","__proto__":1}]',
      `[{"path":"/${bucket}/safe","size_bytes":-1}]`,
      `[{"path":"/${bucket}/safe","size_bytes":1e999}]`,
      `[{"path":"/${bucket}/safe","range":"0-,0-"}]`,
      `[{"path":"/${bucket}/safe","etag":{}}]`,
      `[{"data":"*"}]`,
      '[{"data":""}]',
      '['.repeat(50_000),
      `${'[{"path":"/a/b"},'.repeat(20_000)}1`,
    ]) {
      t.equal((await put('slo', list)).status, 400, list.slice(0, 40));
    }
    t.equal(
      (
        await put(
          'slo',
          Array.from({ length: 1001 }, () => ({ path: `/${bucket}/safe` })),
        )
      ).status,
      413,
      '1,001 segments',
    );
    t.equal((await put('slo', ' '.repeat(9 * 1024 * 1024))).status, 413, 'nine megabytes');
    const dynamic = await swift.ask('PUT', `/${bucket}/dlo`, {
      headers: { 'x-object-manifest': `${bucket}/dlo`, 'content-length': '0' },
    });
    t.equal(dynamic.status, 201);
    const own = await swift.ask('GET', `/${bucket}/dlo`).catch(() => undefined);
    t.ok(own === undefined || own.status === 200 || own.status === 409, `a dynamic one of itself ends: ${own?.status}`);
    await clear(rig);
  },
};

/** Leaves `safe` alone. */
async function clear({ swift, bucket }: Negative): Promise<void> {
  for (const name of await namesIn({ swift }, bucket)) {
    if (name !== 'safe') await swift.ask('DELETE', `/${bucket}/${name}`);
  }
}
