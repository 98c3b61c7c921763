/** What S3 reads: XML itself, every document of its operations, policies, forms, tags, names and sources of copies. */
import assert from 'node:assert';
import { createHmac, hash } from 'node:crypto';
import { escapeXml, parseXml, type XmlElement, xmlFaults } from '../../fabric/xml.ts';
import { readPolicy } from '../../proxy/object/policy.ts';
import { checkKey, decodeName, readCopySource } from '../../proxy/s3/address.ts';
import { CODES } from '../../proxy/s3/errors.ts';
import { createS3Handler } from '../../proxy/s3/handler.ts';
import { checkPolicy, readPostPolicy } from '../../proxy/s3/post-policy.ts';
import { readQuery } from '../../proxy/s3/query.ts';
import { decodeWords, encodeWords } from '../../proxy/s3/rfc2047.ts';
import { parseTagQuery } from '../../proxy/s3/tag-query.ts';
import { createMemoryWorld, OWNER } from '../memory-world.ts';
import { bodyOf, makeRequest, sha256Hex, signHeaders } from '../s3-signer.ts';
import type { FuzzParser, FuzzTarget } from './contract.ts';
import { DOCUMENTS, type DocumentOf } from './s3-documents.ts';

const S3_CODES: ReadonlySet<string> = new Set(Object.keys(CODES));
const TEXTS: readonly string[] = DOCUMENTS.flatMap(({ texts }) => texts);
const TAGS = [...new Set(TEXTS.join('').match(/<\/?\w+>/g))];

const simple = (name: string, target: Omit<FuzzTarget, 'name'>): FuzzParser => ({
  name,
  open: () => ({ name, ...target }),
});

function write({ name, text, children }: XmlElement): string {
  return `<${name}>${escapeXml(text)}${children.map(write).join('')}</${name}>`;
}

const xml = simple('xml', {
  seeds: [
    ...TEXTS,
    '<a xmlns="x">&#x20;<![CDATA[<]]><b/>text</a>',
    '<?xml version="1.0"?><!-- c --><a:b xmlns:a="u"/>',
  ],
  words: TAGS,
  codes: new Set([xmlFaults.malformed]),
  run(input) {
    const root = parseXml(input, 1000);
    const again = parseXml(Buffer.from(write(root)), 1000);
    assert.deepStrictEqual(again, root, 'what is read is written and read again');
  },
});

const timestampOf = (nowMs: number): string => new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '');

/** One operation's document, by the handler that really reads it; what was accepted is shown, and the shown is accepted. */
function documentParser(document: DocumentOf): FuzzParser {
  const { name, sub, path, texts, shows } = document;
  const method = document.method ?? 'PUT';
  return {
    name: `document-${name}`,
    async open() {
      const errors: object[] = [];
      const world = createMemoryWorld(errors);
      const handler = createS3Handler(world);
      const ask = async (verb: string, at: string, query: string, body: Buffer) => {
        const headers = {
          host: 'localhost',
          'content-length': String(body.length),
          'content-md5': hash('md5', body, 'base64'),
        };
        const timestamp = timestampOf(world.clock.nowMs());
        const payload = sha256Hex(body);
        const toSign = { method: verb, path: at, query, headers, payload, timestamp };
        const signed = signHeaders({ ...OWNER, region: world.region }, toSign);
        const asked = makeRequest({
          method: verb,
          path: at,
          query,
          headers: signed,
          body: bodyOf(body.length === 0 ? [] : [body]),
        });
        const answer = await handler(asked);
        assert.deepStrictEqual(errors, [], 'no bug');
        const text = typeof answer.body === 'string' ? answer.body : '';
        return { status: answer.status, text, code: /<Code>([\w.]+)<\/Code>/.exec(text)?.[1] };
      };
      const nothing = Buffer.alloc(0);
      await ask('PUT', '/bucket', '', nothing);
      await ask(
        'PUT',
        '/bucket',
        'versioning',
        Buffer.from('<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'),
      );
      await ask(
        'PUT',
        '/bucket',
        'ownershipControls',
        Buffer.from(
          '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
        ),
      );
      await ask('PUT', '/bucket/key', '', Buffer.from('text'));
      const run = async (input: Buffer): Promise<string> => {
        const put = await ask(method, path, sub, input);
        if (put.status >= 300) {
          assert.ok(
            (put.code !== undefined && S3_CODES.has(put.code) && put.status < 500) || put.status === 501,
            `${put.status} ${put.text}`,
          );
          return put.code ?? String(put.status);
        }
        if (shows === false) return 'value';
        const first = await ask('GET', path, sub, nothing);
        // An empty set of tags is none.
        if (first.code === 'NoSuchTagSet') return 'nothing set';
        assert.equal(first.status, 200, 'what was set is shown');
        const again = await ask(method, path, sub, Buffer.from(first.text));
        assert.ok(again.status < 300, `what is shown is accepted: ${again.status} ${again.text}: ${first.text}`);
        assert.equal((await ask('GET', path, sub, nothing)).text, first.text, 'and is the same');
        return 'value';
      };
      return { name: `document-${name}`, seeds: texts, words: TAGS, codes: S3_CODES, run };
    },
  };
}

const statement = (more: string): string =>
  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::bucket/*"${more}}]}`;

const policy = simple('policy', {
  seeds: [
    statement(''),
    statement(
      ',"Condition":{"StringLike":{"aws:Referer":["a*","${aws:username}"]},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::1"]}}',
    ),
    statement(
      ',"Condition":{"NumericLessThanIfExists":{"s3:max-keys":"10"},"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"Null":{"s3:prefix":"true"}}',
    ),
    '{"Statement":{"Sid":"a","Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::test:root","test:member"]},"NotAction":["s3:ListBucket"],"NotResource":["arn:aws:s3:::bucket"]}}',
  ],
  words: [
    '"Effect"',
    '"Deny"',
    '"Condition"',
    '"s3:*"',
    '"arn:aws:s3:::bucket"',
    '"ForAllValues:StringEquals"',
    '"Bool"',
    '${',
    '}',
  ],
  codes: new Set(['MalformedPolicy']),
  run(input) {
    const text = input.toString('utf8');
    const read = readPolicy(text, 'bucket');
    const again = readPolicy(JSON.stringify(JSON.parse(text)), 'bucket');
    assert.deepStrictEqual(again, read, 'written otherwise, the same');
  },
});

const postPolicy = simple('post-policy', {
  seeds: [
    JSON.stringify({
      expiration: '2030-01-01T00:00:00Z',
      conditions: [{ bucket: 'b' }, ['starts-with', '$key', 'a'], ['content-length-range', 0, 10]],
    }),
    JSON.stringify({
      expiration: '2030-01-01T00:00:00.000Z',
      conditions: [['eq', '$acl', 'private'], { 'x-amz-meta-a': '\\$' }],
    }),
  ],
  words: ['"expiration"', '"conditions"', '"eq"', '["starts-with"', '"$key"', '\\$', '\\v'],
  codes: S3_CODES,
  run(input) {
    // Every third as it is: base64 is an input too.
    const isPlain = input.length % 3 === 0;
    const read = readPostPolicy(isPlain ? input.toString('latin1') : input.toString('base64'));
    checkPolicy(read, {
      fields: new Map([
        ['key', 'abc'],
        ['bucket', 'b'],
      ]),
      nowMs: 0,
      filename: 'f',
    });
  },
});

const tagging = simple('tagging', {
  seeds: ['a=b&c=d', 'a=%C3%BC+x&b', ''],
  words: ['&', '=', '+', '%20', '%C3', 'a='],
  codes: S3_CODES,
  run(input) {
    const tags = parseTagQuery(input.toString('latin1'));
    const again = tags.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`).join('&');
    assert.deepStrictEqual(parseTagQuery(again), tags, 'the same once more');
  },
});

const names = simple('names', {
  seeds: [
    '/bucket/a%20b?versionId=null',
    'bucket/%E5%AD%97',
    'arn:aws:s3:::bucket/key',
    'list-type=2&prefix=a%2Fb&max-keys=5',
  ],
  words: ['/', '?versionId=', '%2F', '+', '&', '='],
  codes: S3_CODES,
  run(input, random) {
    const text = input.toString('latin1');
    const which = (input.length + random.below(1)) % 3;
    if (which === 0) {
      const { bucket, key } = readCopySource(text);
      assert.ok(bucket !== '' && key !== '' && !key.includes('\0'), 'a source has both');
    } else if (which === 1) checkKey(decodeName(text));
    else readQuery(text);
  },
});

const words = simple('encoded-words', {
  seeds: ['=?UTF-8?B?w7w=?=', '=?UTF-8?Q?=C3=BC_x?= =?iso-8859-1?Q?=FC?=', 'plain', 'ü字'],
  words: ['=?', '?=', '?Q?', '?B?', 'UTF-8', '=0D=0A'],
  codes: new Set(),
  run(input) {
    const decoded = decodeWords(input.toString('latin1'));
    const text = input.toString('utf8');
    const isText = Buffer.from(text).equals(input) && !/[\ufffd\x00-\x1f\x7f]/.test(text);
    if (!/[\x00-\x1f\x7f]/.test(text)) assert.doesNotMatch(decoded, /[\x00-\x1f\x7f]/, 'no line is made of words');
    if (isText && !text.includes('=?'))
      assert.equal(decodeWords(encodeWords(input.toString('latin1'))), input.toString('latin1'));
  },
});

/** A whole form with a policy, to the bucket. */
const form: FuzzParser = {
  name: 'post-form',
  async open() {
    const errors: object[] = [];
    const world = createMemoryWorld(errors);
    const handler = createS3Handler(world);
    const created = { method: 'PUT', path: '/bucket', headers: { host: 'localhost' }, payload: sha256Hex('') };
    const timestamp = timestampOf(world.clock.nowMs());
    const signed = signHeaders({ ...OWNER, region: world.region }, { ...created, timestamp });
    await handler(makeRequest({ ...created, headers: signed }));
    const encoded = Buffer.from(
      JSON.stringify({
        expiration: '2099-01-01T00:00:00Z',
        conditions: [{ bucket: 'bucket' }, ['starts-with', '$key', '']],
      }),
    ).toString('base64');
    const signature = createHmac('sha1', OWNER.secretAccessKey).update(encoded).digest('base64');
    const part = (field: string, value: string, more = ''): string =>
      `--b\r\nContent-Disposition: form-data; name="${field}"${more}\r\n\r\n${value}\r\n`;
    const fields = [
      ['key', 'a/${filename}'],
      ['AWSAccessKeyId', OWNER.accessKeyId],
      ['policy', encoded],
      ['signature', signature],
    ] as const;
    const whole = `${fields.map(([field, value]) => part(field, value)).join('')}${part('file', 'body', '; filename="f"\r\nContent-Type: text/plain')}--b--\r\n`;
    return {
      name: 'post-form',
      seeds: [whole, part('key', 'x') + part('file', 'y', '; filename="f"'), '--b--\r\n'],
      words: [
        '--b',
        '--b--',
        '\r\n\r\n',
        'Content-Disposition: form-data; name=',
        '; filename="',
        'Content-Type: ',
        'boundary=',
      ],
      codes: S3_CODES,
      async run(input) {
        const headers = {
          host: 'localhost',
          'content-type': 'multipart/form-data; boundary=b',
          'content-length': String(input.length),
        };
        const body = bodyOf(
          input.length === 0 ? [] : [input.subarray(0, 9), input.subarray(9)].filter(({ length }) => length > 0),
        );
        const answer = await handler(makeRequest({ method: 'POST', path: '/bucket', headers, body }));
        assert.deepStrictEqual(errors, [], 'no bug');
        const code = /<Code>([\w.]+)<\/Code>/.exec(typeof answer.body === 'string' ? answer.body : '')?.[1];
        assert.ok(answer.status < 500 || answer.status === 501, `${answer.status}`);
        return answer.status < 300 ? undefined : code;
      },
    };
  },
};

export const S3_PARSERS: readonly FuzzParser[] = [
  xml,
  ...DOCUMENTS.map(documentParser),
  policy,
  postPolicy,
  form,
  tagging,
  names,
  words,
];
