/** Bodies in chunks and parts: aws-chunked in all its forms, multipart uploads and their checksums, DeleteObjects. */
import { createHash } from 'node:crypto';
import { createCrc } from '../../fabric/crc.ts';
import { plainChunks, signChunks, signHeaders } from '../s3-signer.ts';
import { type Answer, amzNow, type Rig, type S3Suite } from './s3-rig.ts';

const PART = Buffer.alloc(5 * 1024 * 1024, 'p');
const LAST = Buffer.from('the last part');

function crc(name: 'crc32' | 'crc32c' | 'crc64nvme', ...pieces: Uint8Array[]): string {
  const running = createCrc(name);
  for (const piece of pieces) running.update(piece);
  return running.digest().toString('base64');
}

const tag = (text: string, name: string): string | undefined => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1];

interface Streamed {
  readonly path: string;
  readonly payload: string;
  readonly trailers?: Record<string, string>;
  readonly chunks?: readonly Buffer[];
  readonly headers?: Record<string, string>;
  /** Changes the body after signing. */
  readonly spoil?: (body: Buffer) => Buffer;
}

/** PUT with an aws-chunked body. */
function stream({ client }: Rig, streamed: Streamed): Promise<Answer> {
  const { path, payload, trailers, chunks = [Buffer.alloc(9000, 'x'), Buffer.from('end')] } = streamed;
  const timestamp = amzNow();
  const decoded = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const headers = {
    host: client.host,
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(decoded),
    ...(trailers === undefined ? {} : { 'x-amz-trailer': Object.keys(trailers).join(',') }),
    ...streamed.headers,
  };
  const credentials = { ...client.owner, region: client.region };
  const signed = signHeaders(credentials, { method: 'PUT', path, headers, payload, timestamp });
  const seed = /Signature=([0-9a-f]+)/.exec(signed['authorization'] as string)?.[1] as string;
  const body = payload.includes('UNSIGNED')
    ? plainChunks(chunks, trailers ?? {})
    : signChunks({ credentials, timestamp, seed, chunks, ...(trailers === undefined ? {} : { trailers }) });
  return client.send('PUT', path, signed, streamed.spoil?.(body) ?? body);
}

async function create({ client, bucket }: Rig, key: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await client.ask('POST', `/${bucket}/${key}`, { query: 'uploads', headers });
  return tag(answer.text, 'UploadId') ?? answer.text;
}

function partsXml(parts: readonly { number: number; etag: string; extra?: string }[]): string {
  const each = parts.map(
    ({ number, etag, extra = '' }) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${extra}</Part>`,
  );
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${each.join('')}</CompleteMultipartUpload>`;
}

export const uploads: S3Suite = {
  'signed chunks': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/chunked`;
    const payload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
    const headers = { 'content-encoding': 'aws-chunked,gzip' };
    t.equal((await stream(rig, { path, payload, headers })).status, 200);
    const got = await client.ask('GET', path);
    t.equal(got.text, `${'x'.repeat(9000)}end`);
    t.equal(got.headers['content-encoding'], 'gzip');
    const spoil = (body: Buffer): Buffer => {
      body[body.indexOf('xx')] = 0x79;
      return body;
    };
    t.equal((await stream(rig, { path: `${path}2`, payload, spoil })).code, 'SignatureDoesNotMatch');
    const cut = (body: Buffer): Buffer => body.subarray(0, body.length - 200);
    t.equal((await stream(rig, { path: `${path}2`, payload, spoil: cut })).status, 400);
    t.equal((await client.ask('GET', `${path}2`)).code, 'NoSuchKey', 'nothing was stored');
    const large = Array.from({ length: 40 }, (_, i) => Buffer.alloc(65_536, i));
    t.equal((await stream(rig, { path, payload, chunks: large })).status, 200);
    t.ok((await client.ask('GET', path)).body.equals(Buffer.concat(large)));
  },

  trailers: async (rig) => {
    const { t, client, bucket } = rig;
    const value = crc('crc32c', Buffer.alloc(9000, 'x'), Buffer.from('end'));
    for (const payload of ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER']) {
      const path = `/${bucket}/${payload}`;
      const trailers = { 'x-amz-checksum-crc32c': value };
      const put = await stream(rig, { path, payload, trailers });
      t.equal(put.status, 200, put.text);
      t.equal(put.headers['x-amz-checksum-crc32c'], value);
      const got = await client.ask('GET', path, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
      t.equal(got.headers['x-amz-checksum-crc32c'], value);
      t.equal(got.headers['content-encoding'], undefined);
      t.equal(got.text, `${'x'.repeat(9000)}end`);
      const wrong = { 'x-amz-checksum-crc32c': 'AAAAAA==' };
      t.equal((await stream(rig, { path: `${path}2`, payload, trailers: wrong })).code, 'BadDigest');
      t.equal((await client.ask('GET', `${path}2`)).code, 'NoSuchKey');
    }
    const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
    const headers = { 'x-amz-decoded-content-length': '1' };
    const trailers = { 'x-amz-checksum-crc32c': value };
    t.equal((await stream(rig, { path: `/${bucket}/o`, payload, trailers, headers })).code, 'IncompleteBody');
    t.equal((await stream(rig, { path: `/${bucket}/o`, payload, trailers: { 'x-evil': '1' } })).code, 'InvalidRequest');
  },

  multipart: async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/multi`;
    const uploadId = await create(rig, 'multi', { 'content-type': 'text/x', 'x-amz-meta-a': '1' });
    const part = (number: number, body: Buffer) =>
      client.ask('PUT', path, { query: `partNumber=${number}&uploadId=${uploadId}`, body });
    const first = (await part(1, PART)).headers['etag'] as string;
    const last = (await part(7, LAST)).headers['etag'] as string;
    t.equal((await part(0, LAST)).code, 'InvalidArgument');
    t.equal((await part(10_001, LAST)).code, 'InvalidArgument');
    const listed = await client.ask('GET', path, { query: `uploadId=${uploadId}&max-parts=1` });
    t.equal(tag(listed.text, 'NextPartNumberMarker'), '1');
    t.equal(tag(listed.text, 'IsTruncated'), 'true');
    t.equal(tag(listed.text, 'Size'), String(PART.length));
    const uploading = await client.ask('GET', `/${bucket}`, { query: 'uploads' });
    t.equal(tag(uploading.text, 'UploadId'), uploadId);
    t.equal((await client.ask('GET', path)).code, 'NoSuchKey');
    const complete = (body: string) => client.ask('POST', path, { query: `uploadId=${uploadId}`, body });
    t.equal(
      (
        await complete(
          partsXml([
            { number: 7, etag: last },
            { number: 1, etag: first },
          ]),
        )
      ).code,
      'InvalidPartOrder',
    );
    t.equal((await complete(partsXml([{ number: 1, etag: last }]))).code, 'InvalidPart');
    t.equal((await complete(partsXml([{ number: 3, etag: last }]))).code, 'InvalidPart');
    t.equal((await complete(partsXml([]))).code, 'MalformedXML');
    t.equal((await complete('<x')).code, 'MalformedXML');
    const good = partsXml([
      { number: 1, etag: first },
      { number: 7, etag: last },
    ]);
    const done = await complete(good);
    t.equal(done.status, 200, done.text);
    const md5s = [PART, LAST].map((bytes) => createHash('md5').update(bytes).digest());
    const etag = `${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-2`;
    t.match(done.text, `<ETag>&quot;${etag}&quot;</ETag>`);
    t.match((await complete(good)).text, `<ETag>&quot;${etag}&quot;</ETag>`, 'again');
    const head = await client.ask('HEAD', path);
    t.equal(head.headers['etag'], `"${etag}"`);
    t.equal(head.headers['content-type'], 'text/x');
    t.equal(head.headers['x-amz-meta-a'], '1');
    const second = await client.ask('GET', path, { query: 'partNumber=2' });
    t.equal(second.status, 206);
    t.equal(second.text, LAST.toString());
    t.equal(second.headers['x-amz-mp-parts-count'], '2');
    t.equal((await client.ask('GET', path, { query: 'partNumber=3' })).code, 'InvalidPartNumber');
    const range = `bytes=${PART.length - 1}-${PART.length + 3}`;
    t.equal((await client.ask('GET', path, { headers: { range } })).text, 'pthe ');
  },

  'multipart: too small, aborted, unknown': async (rig) => {
    const { t, client, bucket } = rig;
    const uploadId = await create(rig, 'o');
    const path = `/${bucket}/o`;
    const part = (number: number) =>
      client.ask('PUT', path, { query: `partNumber=${number}&uploadId=${uploadId}`, body: 'x' });
    const etags = [await part(1), await part(2)].map((answer) => answer.headers['etag'] as string);
    const body = partsXml(etags.map((etag, index) => ({ number: index + 1, etag })));
    t.equal((await client.ask('POST', path, { query: `uploadId=${uploadId}`, body })).code, 'EntityTooSmall');
    t.equal((await client.ask('DELETE', path, { query: `uploadId=${uploadId}` })).status, 204);
    t.equal((await part(1)).code, 'NoSuchUpload');
    t.equal((await client.ask('GET', path, { query: `uploadId=${uploadId}` })).code, 'NoSuchUpload');
    t.equal((await client.ask('POST', path, { query: `uploadId=${uploadId}`, body })).code, 'NoSuchUpload');
    t.equal(
      (await client.ask('PUT', path, { query: 'partNumber=1&uploadId=nonsense', body: 'x' })).code,
      'NoSuchUpload',
    );
  },

  'multipart checksums': async (rig) => {
    const { t, client, bucket } = rig;
    for (const [algorithm, type] of [
      ['crc32', 'FULL_OBJECT'],
      ['crc32c', 'COMPOSITE'],
      ['crc64nvme', 'FULL_OBJECT'],
    ] as const) {
      const path = `/${bucket}/${algorithm}`;
      const header = `x-amz-checksum-${algorithm}`;
      const uploadId = await create(rig, algorithm, {
        'x-amz-checksum-algorithm': algorithm.toUpperCase(),
        'x-amz-checksum-type': type,
      });
      const parts: { number: number; etag: string; extra: string }[] = [];
      for (const [index, body] of [PART, LAST].entries()) {
        const value = crc(algorithm, body);
        const query = `partNumber=${index + 1}&uploadId=${uploadId}`;
        const put = await client.ask('PUT', path, { query, headers: { [header]: value }, body });
        t.equal(put.headers[header], value);
        const name = `Checksum${algorithm.toUpperCase()}`;
        parts.push({ number: index + 1, etag: put.headers['etag'] as string, extra: `<${name}>${value}</${name}>` });
      }
      const pieces = [PART, LAST].map((each) => Buffer.from(crc(algorithm, each), 'base64'));
      const whole = type === 'FULL_OBJECT' ? crc(algorithm, PART, LAST) : `${crc(algorithm, ...pieces)}-2`;
      const complete = (headers: Record<string, string>) =>
        client.ask('POST', path, { query: `uploadId=${uploadId}`, headers, body: partsXml(parts) });
      const wrong = crc(algorithm, Buffer.from('wrong'));
      t.equal((await complete({ [header]: wrong })).code, 'BadDigest');
      const done = await complete({ [header]: whole });
      t.equal(done.status, 200, done.text);
      t.equal(tag(done.text, `Checksum${algorithm.toUpperCase()}`), whole);
      const head = await client.ask('HEAD', path, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
      t.equal(head.headers[header], whole);
      t.equal(head.headers['x-amz-checksum-type'], type);
    }
    const query = 'uploads';
    const ask = (headers: Record<string, string>) => client.ask('POST', `/${bucket}/o`, { query, headers });
    t.equal(
      (await ask({ 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'FULL_OBJECT' })).code,
      'InvalidRequest',
    );
    t.equal(
      (await ask({ 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' })).code,
      'InvalidRequest',
    );
    t.equal((await ask({ 'x-amz-checksum-algorithm': 'MD4' })).code, 'InvalidRequest');
  },

  'parts copied from objects': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}/source`, { body: PART });
    const uploadId = await create(rig, 'o');
    const path = `/${bucket}/o`;
    const copy = (number: number, headers: Record<string, string>) =>
      client.ask('PUT', path, { query: `partNumber=${number}&uploadId=${uploadId}`, headers });
    const source = { 'x-amz-copy-source': `/${bucket}/source` };
    const first = await copy(1, source);
    t.equal(first.status, 200, first.text);
    const second = await copy(2, { ...source, 'x-amz-copy-source-range': 'bytes=0-4' });
    t.equal((await copy(3, { ...source, 'x-amz-copy-source-range': 'bytes=4-' })).code, 'InvalidArgument');
    const beyond = await copy(3, { ...source, 'x-amz-copy-source-range': `bytes=0-${PART.length}` });
    t.equal(`${beyond.status} ${beyond.code}`, '400 InvalidArgument');
    t.match(beyond.text, `Range specified is not valid for source object of size: ${PART.length}`);
    const parts = [first, second].map(({ text }, index) => ({ number: index + 1, etag: tag(text, 'ETag') as string }));
    const done = await client.ask('POST', path, { query: `uploadId=${uploadId}`, body: partsXml(parts) });
    t.equal(done.status, 200, done.text);
    t.equal((await client.ask('HEAD', path)).headers['content-length'], String(PART.length + 5));
  },

  'listing uploads': async (rig) => {
    const { t, client, bucket } = rig;
    for (const key of ['a', 'b/1', 'b/2', 'c']) await create(rig, key);
    const list = (query: string) => client.ask('GET', `/${bucket}`, { query: `uploads&${query}` });
    const keys = (text: string): string[] => [...text.matchAll(/<Upload><Key>(.*?)<\/Key>/g)].map((match) => match[1]!);
    t.same(keys((await list('')).text), ['a', 'b/1', 'b/2', 'c']);
    const page = await list('max-uploads=2');
    t.same(keys(page.text), ['a', 'b/1']);
    const next = `key-marker=${tag(page.text, 'NextKeyMarker')}&upload-id-marker=${tag(page.text, 'NextUploadIdMarker')}`;
    t.same(keys((await list(next)).text), ['b/2', 'c']);
    const folded = await list('delimiter=/');
    t.same(keys(folded.text), ['a', 'c']);
    t.match(folded.text, '<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>');
    t.same(keys((await list('prefix=b/')).text), ['b/1', 'b/2']);
  },

  'deleting many': async ({ t, client, bucket }) => {
    for (const key of ['a', '%20b%20', '%26']) await client.ask('PUT', `/${bucket}/${key}`, { body: 'x' });
    const remove = (body: string, headers?: Record<string, string>) => {
      const digest = createHash('md5').update(body).digest('base64');
      return client.ask('POST', `/${bucket}`, { query: 'delete', body, headers: headers ?? { 'content-md5': digest } });
    };
    const object = (key: string): string => `<Object><Key>${key}</Key></Object>`;
    const done = await remove(`<Delete>${object('a')}${object(' b ')}${object('&amp;')}${object('absent')}</Delete>`);
    t.equal(done.status, 200, done.text);
    t.equal(done.text.match(/<Deleted>/g)?.length, 4);
    t.notMatch((await client.ask('GET', `/${bucket}`)).text, '<Key>');
    t.notMatch((await remove(`<Delete><Quiet>true</Quiet>${object('a')}</Delete>`)).text, '<Deleted>');
    t.equal((await remove(`<Delete>${object('a')}</Delete>`, {})).code, 'InvalidRequest', 'no digest');
    const crc32 = { 'x-amz-checksum-crc32': 'AAAAAA==' };
    t.equal((await remove(`<Delete>${object('a')}</Delete>`, crc32)).code, 'BadDigest');
    t.equal((await remove(`<Delete>${object('a').repeat(1001)}</Delete>`)).code, 'MalformedXML');
    t.equal((await remove('<Delete></Delete>')).code, 'MalformedXML');
    t.equal((await remove(`<!DOCTYPE x [<!ENTITY e "a">]><Delete>${object('&e;')}</Delete>`)).code, 'MalformedXML');
    const mixed = await remove(`<Delete>${object('a')}${object('x'.repeat(1025))}</Delete>`);
    t.match(mixed.text, '<Code>KeyTooLongError</Code>');
    t.match(mixed.text, '<Deleted><Key>a</Key></Deleted>');
  },

  'attributes of objects': async (rig) => {
    const { t, client, bucket } = rig;
    const path = `/${bucket}/o`;
    const ask = (names: string | undefined, more: Record<string, string> = {}): Promise<Answer> =>
      client.ask('GET', path, {
        query: 'attributes',
        headers: { ...(names === undefined ? {} : { 'x-amz-object-attributes': names }), ...more },
      });
    const everything = 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize';
    t.equal((await ask(everything)).code, 'NoSuchKey');
    const sum = crc('crc32', Buffer.from('text'));
    const made = await client.ask('PUT', path, { body: 'text', headers: { 'x-amz-checksum-crc32': sum } });
    const plain = await ask(everything);
    const etag = made.headers['etag']?.slice(1, -1);
    const inner = `<ETag>${etag}</ETag><Checksum><ChecksumCRC32>${sum}</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></Checksum><StorageClass>STANDARD</StorageClass><ObjectSize>4</ObjectSize>`;
    t.match(plain.text, `>${inner}</GetObjectAttributesResponse>`);
    t.ok(plain.headers['last-modified']);
    t.equal(plain.headers['etag'], undefined);
    t.match((await ask('ObjectSize')).text, '/"><ObjectSize>4</ObjectSize></GetObject');
    t.equal((await ask(undefined)).code, 'InvalidRequest');
    t.equal((await ask('')).code, 'InvalidRequest');
    t.equal((await ask('ETag,Colour')).code, 'InvalidArgument');
    t.equal((await ask('ObjectParts', { 'x-amz-max-parts': 'many' })).code, 'InvalidArgument');
    t.equal((await client.ask('GET', path, { headers: { 'x-amz-object-attributes': 'ETag' } })).code, 'NotImplemented');
    for (const [type, word] of [
      ['COMPOSITE', 'SHA256'],
      ['FULL_OBJECT', 'CRC32C'],
      [undefined, undefined],
    ] as const) {
      const sumOf = (piece: Buffer): string =>
        word === 'SHA256' ? createHash('sha256').update(piece).digest('base64') : crc('crc32c', piece);
      const announced = word ? { 'x-amz-checksum-algorithm': word, 'x-amz-checksum-type': type } : {};
      const uploadId = await create(rig, 'o', announced as Record<string, string>);
      const pieces = [PART, PART, LAST];
      const parts: { number: number; etag: string; extra: string }[] = [];
      for (const [i, body] of pieces.entries()) {
        const headers = word ? { [`x-amz-checksum-${word.toLowerCase()}`]: sumOf(body) } : {};
        const put = await client.ask('PUT', path, { query: `partNumber=${i + 1}&uploadId=${uploadId}`, body, headers });
        const extra = word ? `<Checksum${word}>${sumOf(body)}</Checksum${word}>` : '';
        parts.push({ number: i + 1, etag: put.headers['etag'] as string, extra });
      }
      const done = await client.ask('POST', path, { query: `uploadId=${uploadId}`, body: partsXml(parts) });
      t.equal(done.status, 200, done.text);
      const shown = (number: number): string =>
        `<Part><PartNumber>${number}</PartNumber><Size>${pieces[number - 1]?.length}</Size>${parts[number - 1]?.extra}</Part>`;
      const page = (marker: number, next: number, max: number): string =>
        `<ObjectParts><PartsCount>3</PartsCount><PartNumberMarker>${marker}</PartNumberMarker><NextPartNumberMarker>${next}</NextPartNumberMarker><MaxParts>${max}</MaxParts><IsTruncated>${next < 3}</IsTruncated>`;
      const all = await ask('ObjectParts');
      t.match(all.text, `${page(0, 3, 1000)}${shown(1)}${shown(2)}${shown(3)}</ObjectParts>`);
      const first = await ask('ObjectParts', { 'x-amz-max-parts': '1' });
      t.match(first.text, `${page(0, 1, 1)}${shown(1)}</ObjectParts>`);
      const second = await ask('ObjectParts', { 'x-amz-max-parts': '5', 'x-amz-part-number-marker': '1' });
      t.match(second.text, `${page(1, 3, 5)}${shown(2)}${shown(3)}</ObjectParts>`);
      const checksum = (await ask('Checksum')).text;
      t.equal(tag(checksum, 'ChecksumType'), type);
      const mode = { headers: { 'x-amz-checksum-mode': 'ENABLED' } };
      const head = await client.ask('HEAD', path, mode);
      if (word) t.equal(head.headers[`x-amz-checksum-${word.toLowerCase()}`], tag(checksum, `Checksum${word}`));
      const last = await client.ask('GET', path, { ...mode, query: 'partNumber=3' });
      t.equal(last.text, LAST.toString());
      t.equal(last.status, 206);
      t.equal(last.headers['x-amz-mp-parts-count'], '3');
      if (word) t.equal(last.headers[`x-amz-checksum-${word.toLowerCase()}`], sumOf(LAST), "the part's own");
    }
    t.equal((await client.ask('GET', path, { query: 'partNumber=4' })).code, 'InvalidPartNumber');
  },
};
