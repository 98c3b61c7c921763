/** Documents that do harm where they are parsed: entities, depth, size, other roots; sent to every operation that takes XML. */
import { hash } from 'node:crypto';
import { OPERATIONS, type OperationRow } from '../../proxy/s3/operations.ts';
import { codeOf, type Negative, type NegativeSuite, namesIn } from './negative-rig.ts';
import type { Answer } from './s3-rig.ts';

/** Root of the document of each operation that takes one. */
const ROOTS: Readonly<Record<string, string>> = {
  CreateBucket: 'CreateBucketConfiguration',
  PutBucketVersioning: 'VersioningConfiguration',
  DeleteObjects: 'Delete',
  PutBucketAcl: 'AccessControlPolicy',
  PutObjectAcl: 'AccessControlPolicy',
  PutObjectTagging: 'Tagging',
  PutBucketTagging: 'Tagging',
  CompleteMultipartUpload: 'CompleteMultipartUpload',
  PutBucketCors: 'CORSConfiguration',
  PutBucketEncryption: 'ServerSideEncryptionConfiguration',
  PutBucketLifecycleConfiguration: 'LifecycleConfiguration',
  PutBucketNotificationConfiguration: 'NotificationConfiguration',
  PutObjectLockConfiguration: 'ObjectLockConfiguration',
  PutBucketOwnershipControls: 'OwnershipControls',
  PutPublicAccessBlock: 'PublicAccessBlockConfiguration',
  PutBucketWebsite: 'WebsiteConfiguration',
  PutObjectLegalHold: 'LegalHold',
  PutObjectRetention: 'Retention',
  PutBucketAccelerateConfiguration: 'AccelerateConfiguration',
  PutBucketLogging: 'BucketLoggingStatus',
  PutBucketRequestPayment: 'RequestPaymentConfiguration',
  RestoreObject: 'RestoreRequest',
  SelectObjectContent: 'SelectObjectContentRequest',
};
/** Take a body that is no XML, or none at all. */
const NOT_XML = [
  ...['PutObject', 'CopyObject', 'PostObject', 'UploadPart', 'UploadPartCopy', 'CreateMultipartUpload'],
  'PutBucketPolicy',
];
const ANY_MD5 = 'AAAAAAAAAAAAAAAAAAAAAA==';
const LARGE_BYTES = 10 * 1024 * 1024;
const REFUSED =
  /^400 (MalformedXML|MalformedACLError|MaxMessageLengthExceeded|InvalidRequest|InvalidArgument)$|^501 NotImplemented$/;

const laughs = (root: string): string => {
  const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');
  return `<!DOCTYPE d [<!ENTITY e0 "ha">${entities}]><${root}>&e9;</${root}>`;
};

/** By what it is; each is refused whatever the root. */
const HARMS: Readonly<Record<string, (root: string) => string>> = {
  'billion laughs': laughs,
  'quadratic blow-up': (root) =>
    `<!DOCTYPE d [<!ENTITY a "${'a'.repeat(50_000)}">]><${root}>${'&a;'.repeat(50_000)}</${root}>`,
  'external entity': (root) => `<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><${root}>&x;</${root}>`,
  'external subset': (root) => `<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd"><${root}/>`,
  'parameter entity': (root) => `<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]><${root}/>`,
  inclusion: (root) => `<${root}><xi:include href="file:///etc/passwd" parse="text"/></${root}>`,
  'an undefined entity': (root) => `<${root}>&xxe;</${root}>`,
  depth: (root) => `<${root}>${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}</${root}>`,
  'open tags': () => '<a>'.repeat(20_000),
  attributes: (root) => `<${root} ${Array.from({ length: 5000 }, (_, i) => `a${i}="b"`).join(' ')}><x/></${root}>`,
  'a long name': (root) => `<${'a'.repeat(50_000)}/><${root}/>`,
  'two roots': (root) => `<${root}/><${root}/>`,
  'another root': () => '<Harmless/>',
  'a prototype': () => '<__proto__><constructor/></__proto__>',
  'no XML': () => '{"json": true}',
  'bytes of no encoding': (root) => `<${root}>\xff\xfe</${root}>`,
  'a NUL': (root) => `<${root}>\0</${root}>`,
  'cut off': (root) => `<${root}`,
  'ten megabytes': (root) => `<${root}>${' '.repeat(LARGE_BYTES)}</${root}>`,
  'ten megabytes of tags': (root) => `<${root}>${'<a/>'.repeat(LARGE_BYTES / 4)}</${root}>`,
};

async function send({ s3 }: Negative, row: OperationRow, place: Place, body: Buffer): Promise<Answer> {
  const path = row.target === 'bucket' ? `/${place.bucket}` : `/${place.bucket}/${place.key}`;
  const query = row.sub === 'uploadId' ? `uploadId=${place.uploadId}` : row.sub;
  // A large one is refused for its length, before anybody looks at digests.
  const headers = { 'content-md5': body.length < LARGE_BYTES ? hash('md5', body, 'base64') : ANY_MD5 };
  return s3.ask(row.method, path, { query, body, headers, payload: 'UNSIGNED-PAYLOAD' });
}

interface Place {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export const documents: NegativeSuite = {
  'every operation that takes a body is known to this suite': async ({ t }) => {
    const takers = OPERATIONS.filter(({ method, run }) => run && (method === 'PUT' || method === 'POST'));
    for (const { name } of takers) {
      t.ok(Object.hasOwn(ROOTS, name) !== NOT_XML.includes(name), name);
    }
  },

  'harmful documents for every operation that takes XML': async (rig) => {
    const { t, s3, bucket } = rig;
    const started = await s3.ask('POST', `/${bucket}/upload`, { query: 'uploads' });
    const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(started.text)?.[1] ?? '';
    let asked = 0;
    for (const row of OPERATIONS.filter(({ name, run }) => run && Object.hasOwn(ROOTS, name))) {
      const place = {
        bucket: row.name === 'CreateBucket' ? `${bucket}-new` : bucket,
        key: row.sub === 'uploadId' ? 'upload' : 'safe',
        uploadId,
      };
      for (const [what, make] of Object.entries(HARMS)) {
        const got = await send(rig, row, place, Buffer.from(make(ROOTS[row.name] as string), 'latin1'));
        t.match(codeOf(got), REFUSED, `${row.name}: ${what}`);
        t.notMatch(got.text, /root:|haha/, 'nothing was expanded');
        asked++;
      }
    }
    t.comment(`${asked} documents`);
    t.equal((await s3.ask('HEAD', `/${bucket}-new`)).status, 404, 'no bucket was made');
    for (const query of ['tagging', 'cors', 'lifecycle', 'website', 'object-lock', 'encryption']) {
      t.equal((await s3.ask('GET', `/${bucket}`, { query })).status, 404, `no ${query} was set`);
    }
    t.same(await namesIn(rig, bucket), ['safe']);
  },

  'policies that do harm': async ({ t, s3, bucket }) => {
    const statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` };
    const whole = (changed: object): string =>
      JSON.stringify({ Version: '2012-10-17', Statement: [{ ...statement, ...changed }] });
    for (const [what, body] of [
      ['depth', '['.repeat(20_000)],
      ['depth of objects', `${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}`],
      ['a value', 'null'],
      ['a list', '[]'],
      ['nothing', '{}'],
      ['prototype', `{"__proto__":{"a":1},${whole({}).slice(1)}`],
      ['a prototype in a statement', whole({}).replace('"Effect"', '"__proto__":{"x":1},"Effect"')],
      ['two effects', whole({}).replace('"Effect":"Allow"', '"Effect":"Allow","Effect":5')],
      ['an unknown element', whole({ Sudo: true })],
      ['an unknown operator', whole({ Condition: { RegExMatch: { 'aws:Referer': '(a+)+$' } } })],
      ['an unknown key', whole({ Condition: { StringEquals: { 'aws:Nothing': 'a' } } })],
      ['another bucket', whole({ Resource: 'arn:aws:s3:::another/*' })],
      ['a way up', whole({ Resource: `arn:aws:s3:::${bucket}/../another/*x`, Action: 's3:Nothing' })],
      ['an operator of Object', whole({ Condition: { constructor: { 'aws:Referer': 'a' } } })],
      ['comments', `/* */${whole({})}`],
      ['NUL', `${whole({})}\0`],
      ['no UTF-8', Buffer.from(whole({}).replace('GetObject', 'GetObject\xff'), 'latin1')],
    ] as const) {
      const got = await s3.ask('PUT', `/${bucket}`, { query: 'policy', body });
      t.equal(codeOf(got), '400 MalformedPolicy', what);
    }
    const many = { Action: Array.from({ length: 3000 }, () => 's3:GetObject') };
    const large = await s3.ask('PUT', `/${bucket}`, { query: 'policy', body: whole(many) });
    t.match(codeOf(large), /^400 (PolicyTooLarge|MaxMessageLengthExceeded|MalformedPolicy)$/, 'too large');
    const huge = await s3.ask('PUT', `/${bucket}`, { query: 'policy', body: Buffer.alloc(LARGE_BYTES, ' ') });
    t.match(codeOf(huge), /^400 (PolicyTooLarge|MaxMessageLengthExceeded|MalformedPolicy)$/, 'ten megabytes');
    t.equal((await s3.ask('GET', `/${bucket}`, { query: 'policy' })).code, 'NoSuchBucketPolicy');
    const stars = whole({ Resource: `arn:aws:s3:::${bucket}/${'*a'.repeat(200)}b` });
    t.equal((await s3.ask('PUT', `/${bucket}`, { query: 'policy', body: stars })).status, 204);
    t.equal(
      (await s3.ask('GET', `/${bucket}/${'a'.repeat(1000)}`, { user: s3.stranger })).status,
      403,
      'stars do not blow up',
    );
    await s3.ask('DELETE', `/${bucket}`, { query: 'policy' });
  },
};
