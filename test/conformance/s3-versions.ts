/** Versions: what each write and delete leaves behind, in buckets with versioning enabled and suspended. */
import type { Answer, Rig, S3Suite } from './s3-rig.ts';

const STATE = (state: string): string =>
  `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${state}</Status></VersioningConfiguration>`;

async function set({ t, client, bucket }: Rig, state: 'Enabled' | 'Suspended'): Promise<void> {
  const answer = await client.ask('PUT', `/${bucket}`, { query: 'versioning', body: STATE(state) });
  t.equal(answer.status, 200, answer.text);
}

async function put({ client, bucket }: Rig, key: string, body: string | Buffer): Promise<string> {
  const answer = await client.ask('PUT', `/${bucket}/${key}`, { body });
  return answer.status === 200 ? (answer.headers['x-amz-version-id'] ?? 'none') : answer.text;
}

const get = ({ client, bucket }: Rig, key: string, versionId?: string): Promise<Answer> =>
  client.ask('GET', `/${bucket}/${key}`, versionId === undefined ? {} : { query: `versionId=${versionId}` });

const del = ({ client, bucket }: Rig, key: string, versionId?: string): Promise<Answer> =>
  client.ask('DELETE', `/${bucket}/${key}`, versionId === undefined ? {} : { query: `versionId=${versionId}` });

/** `key id`, with `*` for the latest, `-` for a delete marker; `prefix/` for a common prefix. */
async function list({ client, bucket }: Rig, query = ''): Promise<string[]> {
  const answer = await client.ask('GET', `/${bucket}`, { query: `versions${query}` });
  const found: string[] = [];
  for (const [, kind, inner = ''] of answer.text.matchAll(/<(Version|DeleteMarker|CommonPrefixes)>(.*?)<\/\1>/g)) {
    const of = (name: string): string | undefined => new RegExp(`<${name}>(.*?)</${name}>`).exec(inner)?.[1];
    const latest = of('IsLatest') === 'true' ? ' *' : '';
    if (kind === 'CommonPrefixes') found.push(of('Prefix') ?? '');
    else found.push(`${of('Key')} ${of('VersionId')}${latest}${kind === 'DeleteMarker' ? ' -' : ''}`);
  }
  return found;
}

const tag = (text: string, name: string): string | undefined => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1];

const keys = (text: string): string[] => [...text.matchAll(/<Key>(.*?)<\/Key>/g)].map((match) => match[1] as string);

export const versions: S3Suite = {
  'the configuration': async (rig) => {
    const { t, client, bucket } = rig;
    const ask = async (body?: string): Promise<Answer> =>
      body === undefined
        ? client.ask('GET', `/${bucket}`, { query: 'versioning' })
        : client.ask('PUT', `/${bucket}`, { query: 'versioning', body });
    t.notMatch((await ask()).text, '<Status>');
    t.equal((await ask(STATE('On'))).code, 'IllegalVersioningConfigurationException');
    t.equal((await ask('<VersioningConfiguration/>')).code, 'IllegalVersioningConfigurationException');
    t.equal((await ask('<Other/>')).code, 'MalformedXML');
    const mfa =
      '<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>';
    t.equal((await ask(mfa)).code, 'NotImplemented');
    t.notMatch((await ask()).text, '<Status>', 'what was refused changed nothing');
    const stranger = { query: 'versioning', body: STATE('Enabled'), user: client.stranger };
    t.equal((await client.ask('PUT', `/${bucket}`, stranger)).code, 'AccessDenied');
    await set(rig, 'Enabled');
    t.equal(tag((await ask()).text, 'Status'), 'Enabled');
    await set(rig, 'Suspended');
    t.equal(tag((await ask()).text, 'Status'), 'Suspended');
  },

  'overwrites are kept': async (rig) => {
    const { t, client, bucket } = rig;
    const before = await client.ask('PUT', `/${bucket}/o`, { body: 'before' });
    t.equal(before.headers['x-amz-version-id'], undefined, 'no versions yet');
    t.equal((await get(rig, 'o')).headers['x-amz-version-id'], undefined);
    await set(rig, 'Enabled');
    t.equal((await get(rig, 'o')).headers['x-amz-version-id'], 'null', 'what was there is the null version');
    const first = await put(rig, 'o', 'first');
    const large = Buffer.alloc(200_000, 'large');
    const second = await put(rig, 'o', large);
    const third = await put(rig, 'o', 'third');
    t.equal(new Set([first, second, third, 'null', 'none']).size, 5);
    t.equal((await get(rig, 'o')).text, 'third');
    t.equal((await get(rig, 'o')).headers['x-amz-version-id'], third);
    for (const [id, text] of [
      ['null', 'before'],
      [first, 'first'],
      [second, large.toString()],
      [third, 'third'],
    ] as const) {
      const answer = await get(rig, 'o', id);
      t.equal(answer.text, text, id);
      t.equal(answer.headers['x-amz-version-id'], id);
      const head = await client.ask('HEAD', `/${bucket}/o`, { query: `versionId=${id}` });
      t.equal(head.headers['content-length'], String(text.length));
    }
    t.same(await list(rig), [`o ${third} *`, `o ${second}`, `o ${first}`, 'o null']);
    t.same(keys((await client.ask('GET', `/${bucket}`)).text), ['o'], 'a plain listing shows the newest');
    const gone = await get(rig, 'o', '0000000000000001');
    t.match(gone.text, /NoSuchVersion<.*<Key>o<.*<VersionId>0000000000000001</);
    t.equal((await get(rig, 'o', 'abc')).code, 'InvalidArgument');
    const range = { query: `versionId=${second}`, headers: { range: 'bytes=100000-100004' } };
    t.equal((await client.ask('GET', `/${bucket}/o`, range)).text, 'large', 'a range of an older one');
  },

  'delete markers': async (rig) => {
    const { t, client, bucket } = rig;
    await set(rig, 'Enabled');
    const id = await put(rig, 'o', 'text');
    const gone = await del(rig, 'o');
    const marker = gone.headers['x-amz-version-id'] as string;
    t.equal(gone.status, 204);
    t.equal(gone.headers['x-amz-delete-marker'], 'true');
    const plain = await get(rig, 'o');
    t.equal(plain.code, 'NoSuchKey');
    t.equal(plain.headers['x-amz-delete-marker'], 'true');
    t.equal(plain.headers['x-amz-version-id'], marker);
    t.equal((await client.ask('HEAD', `/${bucket}/o`)).status, 404);
    const named = await get(rig, 'o', marker);
    t.equal(named.status, 405);
    t.equal(named.code, 'MethodNotAllowed');
    t.match(named.text, '<Method>GET</Method><ResourceType>DeleteMarker</ResourceType>');
    t.equal(named.headers['x-amz-delete-marker'], 'true');
    t.equal((await get(rig, 'o', id)).text, 'text');
    t.same(keys((await client.ask('GET', `/${bucket}`)).text), []);
    t.same(await list(rig), [`o ${marker} * -`, `o ${id}`]);
    const again = (await del(rig, 'o')).headers['x-amz-version-id'];
    t.same(await list(rig), [`o ${again} * -`, `o ${marker} -`, `o ${id}`], 'each delete leaves one');
    t.equal((await del(rig, 'o', again)).headers['x-amz-delete-marker'], 'true');
    const undone = await del(rig, 'o', marker);
    t.equal(undone.status, 204);
    t.equal(undone.headers['x-amz-version-id'], marker);
    t.equal((await get(rig, 'o')).text, 'text', 'without its marker the object is back');
    t.same(await list(rig), [`o ${id} *`]);
    t.same(keys((await client.ask('GET', `/${bucket}`)).text), ['o']);
    const never = (await del(rig, 'never')).headers['x-amz-version-id'];
    t.same(await list(rig, '&prefix=n'), [`never ${never} * -`], 'of what never was, too');
  },

  'versions deleted for good': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}/o`, { body: 'null one' });
    await set(rig, 'Enabled');
    const large = Buffer.alloc(100_000, 'x');
    const first = await put(rig, 'o', large);
    const second = await put(rig, 'o', 'second');
    const third = await put(rig, 'o', 'third');
    t.equal((await del(rig, 'o', second)).status, 204);
    t.equal((await get(rig, 'o', second)).code, 'NoSuchVersion');
    t.equal((await get(rig, 'o')).text, 'third');
    t.equal((await del(rig, 'o', second)).status, 204, 'again is a success');
    t.equal((await del(rig, 'o', third)).status, 204);
    t.ok((await get(rig, 'o')).body.equals(large), 'the one before is the object again');
    t.equal((await get(rig, 'o')).headers['x-amz-version-id'], first);
    t.same(await list(rig), [`o ${first} *`, 'o null']);
    t.equal((await client.ask('DELETE', `/${bucket}`)).code, 'BucketNotEmpty');
    const fourth = await put(rig, 'o', 'fourth');
    t.same(await list(rig), [`o ${fourth} *`, `o ${first}`, 'o null']);
    t.ok((await get(rig, 'o', first)).body.equals(large), 'set aside a second time');
    for (const id of [fourth, first, 'null']) t.equal((await del(rig, 'o', id)).status, 204);
    t.same(await list(rig), []);
    t.equal((await get(rig, 'o')).headers['x-amz-delete-marker'], undefined);
    const marker = (await del(rig, 'o')).headers['x-amz-version-id'];
    t.equal((await client.ask('DELETE', `/${bucket}`)).code, 'BucketNotEmpty', 'a marker counts');
    await del(rig, 'o', marker);
    t.equal((await client.ask('DELETE', `/${bucket}`)).status, 204);
  },

  'a suspended bucket': async (rig) => {
    const { t, client, bucket } = rig;
    await set(rig, 'Enabled');
    const kept = await put(rig, 'o', 'kept');
    await set(rig, 'Suspended');
    t.equal(await put(rig, 'o', 'null 1'), 'null');
    t.same(await list(rig), ['o null *', `o ${kept}`]);
    t.equal(await put(rig, 'o', 'null 2'), 'null');
    t.same(await list(rig), ['o null *', `o ${kept}`], 'a null version replaces the one before');
    t.equal((await get(rig, 'o', 'null')).text, 'null 2');
    t.equal((await get(rig, 'o', kept)).text, 'kept');
    const gone = await del(rig, 'o');
    t.equal(gone.headers['x-amz-version-id'], 'null');
    t.equal(gone.headers['x-amz-delete-marker'], 'true');
    t.same(await list(rig), ['o null * -', `o ${kept}`], 'a null marker takes its place');
    t.equal((await get(rig, 'o', 'null')).status, 405);
    await set(rig, 'Enabled');
    const next = await put(rig, 'o', 'next');
    t.same(await list(rig), [`o ${next} *`, 'o null -', `o ${kept}`]);
    await set(rig, 'Suspended');
    t.equal(await put(rig, 'o', 'null 3'), 'null');
    t.same(await list(rig), ['o null *', `o ${next}`, `o ${kept}`], 'the older null version is gone');
    t.equal((await del(rig, 'o', 'null')).status, 204);
    t.equal((await get(rig, 'o')).text, 'next');
    t.same(await list(rig), [`o ${next} *`, `o ${kept}`]);
    t.equal((await client.ask('GET', `/${bucket}/o`)).headers['x-amz-version-id'], next);
  },

  'copies and uploads': async (rig) => {
    const { t, client, bucket } = rig;
    await set(rig, 'Enabled');
    const large = Buffer.alloc(150_000, 'v');
    const first = await put(rig, 'o', large);
    await put(rig, 'o', 'newer');
    const copy = (target: string, id: string) =>
      client.ask('PUT', `/${bucket}/${target}`, { headers: { 'x-amz-copy-source': `${bucket}/o?versionId=${id}` } });
    const back = await copy('o', first);
    t.equal(back.status, 200, back.text);
    t.equal(back.headers['x-amz-copy-source-version-id'], first);
    const restored = back.headers['x-amz-version-id'] as string;
    t.ok((await get(rig, 'o')).body.equals(large), 'an old version copied over the newest');
    const away = await copy('away', first);
    t.equal(away.status, 200, away.text);
    t.equal((await del(rig, 'o', first)).status, 204);
    t.ok((await get(rig, 'o')).body.equals(large), 'bytes are shared, and outlive the one they came from');
    t.ok((await get(rig, 'away')).body.equals(large));
    t.equal((await copy('x', first)).code, 'NoSuchVersion');
    const marker = (await del(rig, 'o')).headers['x-amz-version-id'] as string;
    t.equal((await copy('x', marker)).code, 'InvalidRequest');
    t.equal((await copy('o', restored)).status, 200, 'undeleted');

    const uploadId = tag((await client.ask('POST', `/${bucket}/m`, { query: 'uploads' })).text, 'UploadId') ?? '';
    const away2 = { query: `partNumber=2&uploadId=${uploadId}`, headers: { 'x-amz-copy-source': `${bucket}/away` } };
    const copied = (await client.ask('PUT', `/${bucket}/m`, away2)).headers['x-amz-copy-source-version-id'];
    t.equal(copied, away.headers['x-amz-version-id'], 'which version a part was copied from');
    const before = await put(rig, 'm', 'before');
    const part = await client.ask('PUT', `/${bucket}/m`, { query: `partNumber=1&uploadId=${uploadId}`, body: large });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
    const complete = () => client.ask('POST', `/${bucket}/m`, { query: `uploadId=${uploadId}`, body });
    const made = await complete();
    const id = made.headers['x-amz-version-id'];
    t.equal((await complete()).headers['x-amz-version-id'], id, 'the same answer again');
    t.same(await list(rig, '&prefix=m'), [`m ${id} *`, `m ${before}`]);
    t.ok((await get(rig, 'm', id)).body.equals(large));
    t.equal((await get(rig, 'm', before)).text, 'before');
  },

  'listings in pages': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}/a%2F1`, { body: 'n' });
    await set(rig, 'Enabled');
    const expected: string[] = [];
    for (const key of ['a/1', 'a/2', 'b', 'b0', 'ü']) {
      const raw = encodeURIComponent(key);
      const ids = [await put(rig, raw, '1'), await put(rig, raw, '2'), await put(rig, raw, '3')].reverse();
      const marker = key === 'b' ? (await del(rig, 'b')).headers['x-amz-version-id'] : undefined;
      if (marker !== undefined) expected.push(`${key} ${marker} * -`);
      ids.forEach((id, i) => expected.push(`${key} ${id}${i === 0 && marker === undefined ? ' *' : ''}`));
      if (key === 'a/1') expected.push('a/1 null');
    }
    t.same(await list(rig), expected);
    for (const size of [1, 2, 3, 7]) {
      const all: string[] = [];
      let next = '';
      for (let pages = 0; pages < 30; pages++) {
        const query = `&max-keys=${size}${next}`;
        const text = (await client.ask('GET', `/${bucket}`, { query: `versions${query}` })).text;
        all.push(...(await list(rig, query)));
        const key = tag(text, 'NextKeyMarker');
        if (key === undefined) break;
        next = `&key-marker=${encodeURIComponent(key)}&version-id-marker=${tag(text, 'NextVersionIdMarker')}`;
      }
      t.same(all, expected, `pages of ${size}`);
    }
    const rest = expected.filter((line) => !line.startsWith('a/'));
    t.same(await list(rig, '&delimiter=%2F'), [...rest, 'a/']);
    t.same(await list(rig, '&delimiter=%2F&max-keys=1'), ['a/']);
    t.same(await list(rig, '&delimiter=%2F&key-marker=a%2F'), rest);
    t.same(
      await list(rig, '&prefix=a%2F2'),
      expected.filter((line) => line.startsWith('a/2')),
    );
    t.same(await list(rig, '&key-marker=b&max-keys=1'), [rest[4]]);
    t.same(await list(rig, '&prefix=b&delimiter=0'), [...rest.filter((line) => line.startsWith('b ')), 'b0']);
    t.equal(
      (await client.ask('GET', `/${bucket}`, { query: 'versions&version-id-marker=null' })).code,
      'InvalidArgument',
    );
    const encoded = await client.ask('GET', `/${bucket}`, { query: 'versions&encoding-type=url&prefix=%C3%BC' });
    t.match(encoded.text, '<Key>%C3%BC</Key>');
  },

  'several deletes at once': async (rig) => {
    const { t, client, bucket } = rig;
    await set(rig, 'Enabled');
    const id = await put(rig, 'a', '1');
    const newer = await put(rig, 'a', '2');
    await put(rig, 'b', '1');
    const body = `<Delete><Object><Key>a</Key><VersionId>${id}</VersionId></Object><Object><Key>b</Key></Object></Delete>`;
    const headers = { 'x-amz-checksum-algorithm': 'CRC32C' };
    const md5 = (await import('node:crypto')).createHash('md5').update(body).digest('base64');
    const answer = await client.ask('POST', `/${bucket}`, {
      query: 'delete',
      body,
      headers: { ...headers, 'content-md5': md5 },
    });
    t.match(answer.text, `<Deleted><Key>a</Key><VersionId>${id}</VersionId></Deleted>`);
    const marker = tag(answer.text, 'DeleteMarkerVersionId');
    t.match(answer.text, '<Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker>');
    t.same(await list(rig, '&prefix=a'), [`a ${newer} *`]);
    t.equal((await list(rig, '&prefix=b'))[0], `b ${marker} * -`);
  },

  'racing writers': async (rig) => {
    const { t, client, bucket } = rig;
    await set(rig, 'Enabled');
    const texts = Array.from({ length: 12 }, (_, i) => `text ${i}`);
    const ids = await Promise.all(texts.map((text) => put(rig, 'o', text)));
    t.equal(new Set(ids).size, texts.length, ids.join(' '));
    const listed = await list(rig);
    t.equal(listed.length, texts.length, 'every one of them is kept');
    for (const [i, id] of ids.entries()) t.equal((await get(rig, 'o', id)).text, texts[i]);
    const newest = [...ids].sort().at(-1) as string;
    t.equal(listed[0], `o ${newest} *`);
    t.equal((await get(rig, 'o')).headers['x-amz-version-id'], newest);
    const mixed = await Promise.all([put(rig, 'o', 'a'), del(rig, 'o'), put(rig, 'o', 'b'), del(rig, 'o', ids[0])]);
    t.equal((mixed[3] as Answer).status, 204);
    t.equal((await list(rig)).length, texts.length + 2);
    const only = { headers: { 'if-none-match': '*' }, body: 'x' };
    const made = await Promise.all([1, 2, 3, 4].map(() => client.ask('PUT', `/${bucket}/once`, only)));
    t.equal(made.filter(({ status }) => status === 200).length, 1, 'a condition is met once');
    t.equal((await list(rig, '&prefix=once')).length, 1);
  },

  'an upload that is completed twice at a time': async (rig) => {
    const { t, client, bucket } = rig;
    await set(rig, 'Enabled');
    await put(rig, 'source', Buffer.alloc(100_000, 's'));
    for (let round = 0; round < 6; round++) {
      const path = `/${bucket}/twice-${round}`;
      const begun = await client.ask('POST', path, { query: 'uploads' });
      const uploadId = tag(begun.text, 'UploadId') as string;
      const query = `partNumber=1&uploadId=${uploadId}`;
      const part = await client.ask('PUT', path, { query, headers: { 'x-amz-copy-source': `${bucket}/source` } });
      const etag = tag(part.text, 'ETag') as string;
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
      const complete = (): Promise<Answer> => client.ask('POST', path, { query: `uploadId=${uploadId}`, body });
      const done = await Promise.all(Array.from({ length: 6 }, complete));
      t.strictSame([...new Set(done.map(({ status }) => status))], [200]);
      const ids = new Set(done.map(({ headers }) => headers['x-amz-version-id']));
      t.strictSame(await list(rig, `&prefix=twice-${round}`), [`twice-${round} ${[...ids].join()} *`], 'one version');
    }
  },

  'tags of versions': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    await client.ask('PUT', path, { body: '0', headers: { 'x-amz-tagging': 'v=null' } });
    await set(rig, 'Enabled');
    const upload = (body: string): Promise<Answer> =>
      client.ask('PUT', path, { body, headers: { 'x-amz-tagging': `v=${body}` } });
    const first = (await upload('1')).headers['x-amz-version-id'] as string;
    const second = (await upload('2')).headers['x-amz-version-id'] as string;
    const tagsOf = async (id?: string): Promise<string> => {
      const query = id === undefined ? 'tagging' : `tagging&versionId=${id}`;
      const answer = await client.ask('GET', path, { query });
      if (answer.status !== 200) return `${answer.code}`;
      return `${answer.headers['x-amz-version-id']} ${tag(answer.text, 'Value')}`;
    };
    t.equal(await tagsOf(), `${second} 2`);
    t.equal(await tagsOf(first), `${first} 1`);
    t.equal(await tagsOf('null'), 'null null');
    const body = (value: string): string =>
      `<Tagging><TagSet><Tag><Key>v</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;
    const put = (value: string, id: string): Promise<Answer> =>
      client.ask('PUT', path, { query: `tagging&versionId=${id}`, body: body(value) });
    t.equal((await put('changed', first)).headers['x-amz-version-id'], first);
    t.equal((await put('null too', 'null')).status, 200);
    t.equal((await put('newest', second)).status, 200);
    t.equal((await put('x', '0000000000000001')).code, 'NoSuchVersion');
    t.equal(await tagsOf(), `${second} newest`);
    t.equal(await tagsOf(first), `${first} changed`);
    t.equal(await tagsOf('null'), 'null null too');
    t.equal((await get(rig, 'o', first)).headers['x-amz-tagging-count'], '1');
    t.same(await list(rig), [`o ${second} *`, `o ${first}`, 'o null'], 'no version came or went');
    t.equal((await client.ask('DELETE', path, { query: `tagging&versionId=${first}` })).status, 204);
    t.equal(await tagsOf(first), `${first} undefined`);
    const marker = (await del(rig, 'o')).headers['x-amz-version-id'] as string;
    t.equal(await tagsOf(), 'NoSuchKey');
    t.equal(await tagsOf(marker), 'MethodNotAllowed');
    t.equal((await put('x', marker)).code, 'MethodNotAllowed');
    t.equal((await client.ask('PUT', path, { query: 'tagging', body: body('x') })).code, 'NoSuchKey');
    t.equal(await tagsOf(second), `${second} newest`);
    const copied = await client.ask('PUT', `/${bucket}/c`, {
      headers: { 'x-amz-copy-source': `${path}?versionId=${second}` },
    });
    t.equal(copied.status, 200);
    t.equal((await client.ask('HEAD', `/${bucket}/c`)).headers['x-amz-tagging-count'], '1');
  },
};
