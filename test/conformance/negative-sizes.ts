/** More than is allowed of everything that has a limit: refused with the limit's own error, and nothing is kept. */
import { hash } from 'node:crypto';
import { codeOf, type NegativeSuite, namesIn } from './negative-rig.ts';

const md5 = (text: string): string => hash('md5', text, 'base64');
const many = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('');
const tags = (count: number): string =>
  `<Tagging><TagSet>${many(count, (i) => `<Tag><Key>k${i}</Key><Value>v</Value></Tag>`)}</TagSet></Tagging>`;
const oneTag = (key: string, value: string): string =>
  `<Tagging><TagSet><Tag><Key>${key}</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;

export const sizes: NegativeSuite = {
  'S3: metadata, tags, grants, rules': async (rig) => {
    const { t, s3, bucket } = rig;
    const put = (headers: Record<string, string>) => s3.ask('PUT', `/${bucket}/new`, { headers, body: 'x' });
    t.equal(codeOf(await put({ 'x-amz-meta-a': 'a'.repeat(2050) })), '400 MetadataTooLarge', 'one value');
    const spread = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-amz-meta-${i}`, 'a'.repeat(40)]));
    t.equal(codeOf(await put(spread)), '400 MetadataTooLarge', 'sixty values');
    t.equal(codeOf(await put({ 'x-amz-tagging': many(11, (i) => `k${i}=v&`) })), '400 BadRequest', '11 tags');
    t.equal(codeOf(await put({ 'x-amz-tagging': `${'k'.repeat(129)}=v` })), '400 InvalidTag', 'a long key');
    t.equal(codeOf(await put({ 'x-amz-tagging': 'k=v&k=w' })), '400 InvalidArgument', 'twice the same');
    const grants = many(101, (i) => `id="AUTH_${i}", `).slice(0, -2);
    const granted = await put({ 'x-amz-grant-read': grants });
    t.ok(granted.status === 400, `101 grants: ${codeOf(granted)}`);
    const grant = '<Grant><Grantee><ID>AUTH_test</ID></Grantee><Permission>READ</Permission></Grant>';
    const cors = '<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>';
    const rule = (i: number): string =>
      `<Rule><ID>r${i}</ID><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>`;
    const documents: readonly (readonly [string, string, string, RegExp])[] = [
      ['tagging', '51 tags', tags(51), /^400 (BadRequest|InvalidTag|MalformedXML)$/],
      ['tagging', 'a long key', oneTag('k'.repeat(129), 'v'), /^400 InvalidTag$/],
      ['tagging', 'a long value', oneTag('k', 'v'.repeat(257)), /^400 InvalidTag$/],
      [
        'acl',
        '101 grants',
        `<AccessControlPolicy><Owner><ID>AUTH_test</ID></Owner><AccessControlList>${grant.repeat(101)}</AccessControlList></AccessControlPolicy>`,
        /^400 MalformedACLError$/,
      ],
      ['cors', '101 rules', `<CORSConfiguration>${cors.repeat(101)}</CORSConfiguration>`, /^400 /],
      ['lifecycle', '1,001 rules', `<LifecycleConfiguration>${many(1001, rule)}</LifecycleConfiguration>`, /^400 /],
      [
        'lifecycle',
        'a long name',
        `<LifecycleConfiguration>${rule(1).replace('r1', 'r'.repeat(256))}</LifecycleConfiguration>`,
        /^400 /,
      ],
    ];
    for (const [query, what, body, expected] of documents) {
      const got = await s3.ask('PUT', `/${bucket}`, { query, body, headers: { 'content-md5': md5(body) } });
      t.match(codeOf(got), expected, `${query}: ${what}`);
    }
    const eleven = tags(11);
    const object = await s3.ask('PUT', `/${bucket}/safe`, {
      query: 'tagging',
      body: eleven,
      headers: { 'content-md5': md5(eleven) },
    });
    t.match(codeOf(object), /^400 /, 'eleven tags of an object');
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'S3: lists, parts and numbers': async (rig) => {
    const { t, s3, bucket } = rig;
    for (const query of [
      'max-keys=-1',
      'max-keys=1e9',
      'max-keys=x',
      'max-keys=99999999999999999999',
      'list-type=3',
      'list-type=2&continuation-token=x',
      'encoding-type=base64',
      'uploads&max-uploads=-1',
      'versions&version-id-marker=x',
      'versions&max-keys=-5',
    ]) {
      const got = await s3.ask('GET', `/${bucket}`, { query });
      t.match(codeOf(got), /^400 InvalidArgument$/, query);
    }
    const started = await s3.ask('POST', `/${bucket}/upload`, { query: 'uploads' });
    const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(started.text)?.[1] ?? '';
    for (const number of ['0', '-1', '10001', '1e3', 'x', '', '99999999999999999999', '1.5']) {
      const got = await s3.ask('PUT', `/${bucket}/upload`, {
        query: `partNumber=${number}&uploadId=${uploadId}`,
        body: 'x',
      });
      t.equal(codeOf(got), '400 InvalidArgument', `part ${number}`);
    }
    for (const id of ['x', `${uploadId}x`, uploadId.slice(1), '..', '%00', 'a'.repeat(5000)]) {
      const got = await s3.ask('PUT', `/${bucket}/upload`, { query: `partNumber=1&uploadId=${id}`, body: 'x' });
      t.match(codeOf(got), /^40[04] (NoSuchUpload|InvalidURI|InvalidArgument)$/, `upload ${id.slice(0, 20)}`);
    }
    const parts = many(10_001, (i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"a"</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`;
    const done = await s3.ask('POST', `/${bucket}/upload`, { query: `uploadId=${uploadId}`, body });
    t.match(codeOf(done), /^400 (MalformedXML|InvalidPart)$/, '10,001 parts');
    const large = await s3.send('PUT', `/${bucket}/new`, {
      host: s3.host,
      'content-length': '5368709121',
      expect: '100-continue',
    });
    t.ok(large.status >= 400 && large.status < 500, `5 GiB and a byte: ${codeOf(large)}`);
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'S3: forms': async (rig) => {
    const { t, s3, bucket } = rig;
    const part = (name: string, value: string, more = ''): string =>
      `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
    const file = `${part('file', 'x', '; filename="f"')}--b--\r\n`;
    const policy = (text: string): string =>
      part('policy', Buffer.from(text).toString('base64')) +
      part('AWSAccessKeyId', s3.owner.accessKeyId) +
      part('signature', 'AAAA');
    for (const [what, body, expected] of [
      ['nobody', part('key', 'new') + file, /^403 AccessDenied$/],
      ['a false signature', part('key', 'new') + policy('{}') + file, /^403 (SignatureDoesNotMatch|AccessDenied)$/],
      ['no JSON', part('key', 'new') + policy('{'.repeat(5000)) + file, /^40[03] /],
      [
        'no base64',
        part('key', 'new') + part('policy', '%%%') + part('AWSAccessKeyId', 'a') + part('signature', 'b') + file,
        /^40[03] /,
      ],
      [
        'fields of 30 KiB',
        part('key', 'new') + many(30, (i) => part(`x-amz-meta-${i}`, 'a'.repeat(1024))) + file,
        /^40[03] /,
      ],
      ['two thousand fields', part('key', 'new') + many(2000, (i) => part(`x-ignore-${i}`, '')) + file, /^40[03] /],
      ['a prototype', part('__proto__', 'x') + part('key', 'new') + file, /^40[03] /],
      ['no file', `${part('key', 'new')}--b--\r\n`, /^40[03] /],
      ['no end', part('key', 'new'), /^40[03] /],
      ['no part', 'noise', /^40[03] /],
      ['a file without end behind the end', `--b--\r\n${part('file', 'x', '; filename="f"')}`, /^40[03] /],
      ['only boundaries', '--b\r\n'.repeat(50_000), /^40[03] /],
      ['headers of a part', `--b\r\n${many(2000, (i) => `x-${i}: y\r\n`)}\r\n\r\n--b--\r\n`, /^40[03] /],
      ['a long header of a part', `--b\r\nx: ${'y'.repeat(200_000)}\r\n\r\n\r\n--b--\r\n`, /^40[03] /],
    ] as const) {
      const headers = { host: s3.host, 'content-type': 'multipart/form-data; boundary=b' };
      t.match(codeOf(await s3.send('POST', `/${bucket}`, headers, Buffer.from(body))), expected, what);
    }
    for (const type of [
      'multipart/form-data',
      'multipart/form-data; boundary=',
      `multipart/form-data; boundary=${'b'.repeat(5000)}`,
      'multipart/form-data; boundary="',
    ]) {
      const got = await s3.send('POST', `/${bucket}`, { host: s3.host, 'content-type': type }, Buffer.from('--b--'));
      t.match(codeOf(got), /^4\d\d /, type.slice(0, 40));
    }
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'Swift: metadata, ACLs, lists of names': async (rig) => {
    const { t, swift, bucket } = rig;
    const status = async (method: string, path: string, headers: Record<string, string>, body?: string) =>
      (
        await swift.ask(method, path, {
          headers: { 'content-length': String(body?.length ?? 0), ...headers },
          ...(body && { body }),
        })
      ).status;
    const object = `/${bucket}/new`;
    t.equal(await status('PUT', object, { [`x-object-meta-${'n'.repeat(129)}`]: 'v' }), 400, 'a name');
    t.equal(await status('PUT', object, { 'x-object-meta-a': 'v'.repeat(257) }), 400, 'a value');
    const ninetyOne = Object.fromEntries(Array.from({ length: 91 }, (_, i) => [`x-object-meta-${i}`, 'v']));
    t.equal(await status('PUT', object, ninetyOne), 400, 'ninety-one');
    const total = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-object-meta-${i}`, 'v'.repeat(250)]));
    t.equal(await status('PUT', object, total), 400, 'in all');
    t.equal(await status('POST', `/${bucket}`, { 'x-container-meta-a': 'v'.repeat(257) }), 400, 'of a container');
    t.equal(await status('POST', '', { 'x-account-meta-a': 'v'.repeat(257) }), 400, 'of an account');
    t.equal(
      await status('POST', `/${bucket}`, { 'x-container-read': many(1000, (i) => `.r:host${i},`) }),
      400,
      'an ACL',
    );
    t.equal(await status('POST', `/${bucket}`, { 'x-container-read': '.r:' }), 400, 'an ACL without a host');
    t.equal(await status('POST', `/${bucket}`, { 'x-container-write': '.r:*' }), 400, 'referrers that write');
    t.equal(await status('POST', '', { 'x-account-access-control': '{'.repeat(5000) }), 400, 'an account’s ACL');
    t.equal(await status('POST', '', { 'x-account-access-control': '{"admin":"a"}' }), 400, 'of the wrong kind');
    for (const at of ['-1', '1', 'x', '9'.repeat(30), '1e20', '']) {
      const got = await status('PUT', object, { 'x-delete-at': at });
      t.ok(got === 400 || (at === '' && got === 201), `X-Delete-At ${at}: ${got}`);
    }
    await swift.ask('DELETE', object);
    t.equal(await status('GET', `/${bucket}?limit=10001`, {}), 412, 'a limit');
    for (const query of ['limit=-1', 'limit=x', 'format=none', 'delimiter=%FF', 'marker=%FF', 'prefix=%00']) {
      const got = await status('GET', `/${bucket}?${query}`, {});
      t.ok([200, 204, 400, 406, 412].includes(got), `${query}: ${got}`);
    }
    const report = async (body: string): Promise<string> => {
      const got = await swift.ask('POST', '?bulk-delete', { body, headers: { accept: 'application/json' } });
      return got.status === 200
        ? ((JSON.parse(got.text) as Record<string, string>)['Response Status'] ?? '')
        : String(got.status);
    };
    t.match(await report(`${bucket}/none\n`.repeat(10_001)), /^413/, '10,001 names');
    t.match(await report(`${bucket}/${'n'.repeat(100_000)}`), /^4\d\d/, 'a name of 100,000 bytes');
    t.match(await report('n'.repeat(3_000_000)), /^4\d\d/, 'a line that never ends');
    t.match(await report(''), /^4\d\d/, 'nothing');
    t.match(await report('../../AUTH_test2/x/y\n%00\n%FF'), /^(200|4\d\d)/, 'ways up');
    t.same(await namesIn(rig, bucket), ['safe']);
  },
};
