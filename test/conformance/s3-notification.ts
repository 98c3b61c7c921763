/** Notifications of buckets: the document and its checks, and what a webhook hears of changes through both APIs. */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Both } from './both-rig.ts';
import type { Answer, S3Client } from './s3-rig.ts';

/** For events to arrive, retries included. */
const PATIENCE_MS = 20_000;
export const SECRET = 'hush';

export interface Heard {
  readonly name: string;
  readonly bucket: string;
  readonly key: string;
  readonly size: number | undefined;
  readonly etag: string | undefined;
  readonly versionId: string | undefined;
  readonly sequencer: string;
  readonly rule: string;
  readonly who: string;
  readonly address: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly isSigned: boolean;
}

/** A webhook that remembers, and refuses while `isDown`. */
export class Receiver {
  readonly heard: Heard[] = [];
  isDown = false;
  refused = 0;
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        if (this.isDown) this.refused++;
        else this.heard.push(readEvent(request, Buffer.concat(pieces)));
        response.writeHead(this.isDown ? 503 : 200).end();
      });
    });
  }

  static async open(t: Test): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve) => void receiver.#server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      receiver.#server.closeAllConnections();
      receiver.#server.close();
    });
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events?from=needletail`;
  }

  /** `event key` of the bucket's events, in the order of their arrival. */
  said(bucket: string): string[] {
    return this.heard.filter((each) => each.bucket === bucket).map(({ name, key }) => `${name} ${key}`);
  }

  async wait(bucket: string, count: number): Promise<string[]> {
    for (let waitedMs = 0; waitedMs < PATIENCE_MS && this.said(bucket).length < count; waitedMs += 20) await sleep(20);
    return this.said(bucket);
  }
}

function readEvent(request: http.IncomingMessage, body: Buffer): Heard {
  const { Records } = JSON.parse(body.toString('utf8'));
  const { s3, ...record } = Records[0];
  const wanted = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  return {
    name: record.eventName,
    bucket: s3.bucket.name,
    key: s3.object.key,
    size: s3.object.size,
    etag: s3.object.eTag,
    versionId: s3.object.versionId,
    sequencer: s3.object.sequencer,
    rule: s3.configurationId,
    who: record.userIdentity.principalId,
    address: record.requestParameters.sourceIPAddress,
    headers: request.headers,
    isSigned: request.headers['x-needletail-signature'] === wanted,
  };
}

export const ARN = (target: string): string => `arn:aws:sqs:us-east-1:test:${target}`;
const EVENTS = (...events: string[]): string => events.map((event) => `<Event>${event}</Event>`).join('');
const FILTER = (...rules: [string, string][]): string =>
  `<Filter><S3Key>${rules.map(([name, value]) => `<FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule>`).join('')}</S3Key></Filter>`;
const QUEUE = (inner: string, arn = ARN('hook')): string =>
  `<QueueConfiguration><Queue>${arn}</Queue>${inner}</QueueConfiguration>`;
const ALL = EVENTS(
  's3:ObjectCreated:*',
  's3:ObjectRemoved:*',
  's3:ObjectTagging:*',
  's3:ObjectAcl:Put',
  's3:LifecycleExpiration:*',
);

const set = (client: S3Client, bucket: string, ...rules: string[]): Promise<Answer> =>
  client.ask('PUT', `/${bucket}`, {
    query: 'notification',
    body: `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rules.join('')}</NotificationConfiguration>`,
  });

/** Tells everything to the hook. */
export async function setAll(client: S3Client, bucket: string): Promise<void> {
  const done = await set(client, bucket, QUEUE(ALL));
  if (done.status !== 200) throw new Error(done.text);
}

export async function documents(t: Test, { client }: Both): Promise<void> {
  const bucket = await client.makeBucket();
  const created = EVENTS('s3:ObjectCreated:*');
  const get = async (): Promise<string> => (await client.ask('GET', `/${bucket}`, { query: 'notification' })).text;
  t.match(await get(), /<NotificationConfiguration xmlns="[^"]*"><\/NotificationConfiguration>$/);
  for (const [body, code] of [
    ['<Other/>', 'MalformedXML'],
    [QUEUE(''), 'MalformedXML'],
    [`<QueueConfiguration>${created}</QueueConfiguration>`, 'MalformedXML'],
    [QUEUE(EVENTS('s3:Nothing')), 'InvalidArgument'],
    [QUEUE(EVENTS('ObjectCreated:*')), 'InvalidArgument'],
    [QUEUE(created, ARN('other')), 'InvalidArgument'],
    [QUEUE(created, 'http://169.254.169.254/latest'), 'InvalidArgument'],
    [QUEUE(created, 'arn:aws:sns:us-east-1:test:hook'), 'InvalidArgument'],
    [QUEUE(created, 'arn:aws:sqs:mars-1:test:hook'), 'InvalidArgument'],
    [QUEUE(created + FILTER(['infix', 'a'])), 'InvalidArgument'],
    [QUEUE(created + FILTER(['prefix', 'a'], ['prefix', 'b'])), 'InvalidArgument'],
    [QUEUE(created + FILTER(['prefix', 'a'.repeat(1025)])), 'InvalidArgument'],
    [QUEUE(created) + QUEUE(EVENTS('s3:ObjectCreated:Put')), 'InvalidArgument'],
    [QUEUE(created + FILTER(['prefix', 'a'])) + QUEUE(created + FILTER(['prefix', 'ab'])), 'InvalidArgument'],
    [QUEUE(`<Id>x</Id>${created}`) + QUEUE(`<Id>x</Id>${EVENTS('s3:ObjectRemoved:*')}`), 'InvalidArgument'],
    ['<CloudFunctionConfiguration></CloudFunctionConfiguration>', 'NotImplemented'],
    ['<EventBridgeConfiguration></EventBridgeConfiguration>', 'NotImplemented'],
  ] as const) {
    t.equal((await set(client, bucket, body)).code, code, body);
  }
  const images = QUEUE(`<Id>images</Id>${created}${FILTER(['Prefix', 'in/'], ['suffix', '.jpg'])}`);
  const topic = `<TopicConfiguration><Id>gone</Id><Topic>arn:aws:sns:us-east-1:test:hook</Topic>${EVENTS('s3:ObjectRemoved:Delete')}</TopicConfiguration>`;
  t.equal((await set(client, bucket, images, topic)).status, 200);
  const shown = await get();
  t.match(shown, `<Id>images</Id><Queue>${ARN('hook')}</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>`);
  t.match(shown, '<FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule>');
  t.match(shown, '<Topic>arn:aws:sns:us-east-1:test:hook</Topic>');
  t.equal((await set(client, bucket, QUEUE(created, 'arn:minio:sqs::hook:webhook'))).status, 200);
  const empty = '<NotificationConfiguration/>';
  const byMember = { query: 'notification', user: client.member, body: empty };
  t.equal((await client.ask('PUT', `/${bucket}`, byMember)).code, 'AccessDenied');
  t.equal((await set(client, bucket)).status, 200);
  t.notMatch(await get(), '<Queue>');
}

export async function ofBothApis(t: Test, { client, swift }: Both, hook: Receiver): Promise<void> {
  const bucket = await client.makeBucket();
  await setAll(client, bucket);
  const put = await client.ask('PUT', `/${bucket}/a%20b/c`, { body: 'four' });
  t.same(await hook.wait(bucket, 1), ['ObjectCreated:Put a+b/c']);
  const [first] = hook.heard.filter((each) => each.bucket === bucket) as [Heard];
  t.match(first, { size: 4, etag: put.headers['etag']?.replaceAll('"', ''), who: 'test:tester', address: '127.0.0.1' });
  t.equal(first.versionId, undefined);
  t.ok(first.isSigned, 'signed with the secret');
  t.equal(first.headers.authorization, 'Bearer me');
  await client.ask('PUT', `/${bucket}/copy`, { headers: { 'x-amz-copy-source': `/${bucket}/a%20b/c` } });
  const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
  await client.ask('PUT', `/${bucket}/copy`, { query: 'tagging', body: tags });
  await client.ask('DELETE', `/${bucket}/copy`, { query: 'tagging' });
  await client.ask('DELETE', `/${bucket}/copy`);
  await client.ask('DELETE', `/${bucket}/never-there`);
  t.equal((await swift('PUT', `/${bucket}/s`, {}, 'swift')).status, 201);
  t.equal((await swift('DELETE', `/${bucket}/s`)).status, 204);
  const opened = await client.ask('POST', `/${bucket}/big`, { query: 'uploads' });
  const id = /<UploadId>(.*?)</.exec(opened.text)?.[1] ?? '';
  const part = await client.ask('PUT', `/${bucket}/big`, { query: `partNumber=1&uploadId=${id}`, body: 'part' });
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
  await client.ask('POST', `/${bucket}/big`, { query: `uploadId=${id}`, body });
  const refused = await client.ask('PUT', `/${bucket}/copy`, { body: 'x', headers: { 'if-match': '"other"' } });
  t.equal(refused.status, 404, 'refused: nothing is told');
  await hook.wait(bucket, 8);
  await sleep(200);
  const said = hook.said(bucket);
  t.same([...said].sort(), [
    'ObjectCreated:CompleteMultipartUpload big',
    'ObjectCreated:Copy copy',
    'ObjectCreated:Put a+b/c',
    'ObjectCreated:Put s',
    'ObjectRemoved:Delete copy',
    'ObjectRemoved:Delete s',
    'ObjectTagging:Delete copy',
    'ObjectTagging:Put copy',
  ]);
  t.same(
    said.filter((each) => each.endsWith(' copy')),
    ['ObjectCreated:Copy copy', 'ObjectTagging:Put copy', 'ObjectTagging:Delete copy', 'ObjectRemoved:Delete copy'],
    'in order',
  );
}

export async function ofVersions(t: Test, { client }: Both, hook: Receiver): Promise<void> {
  const bucket = await client.makeBucket();
  const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await client.ask('PUT', `/${bucket}`, { query: 'versioning', body: versioning });
  await setAll(client, bucket);
  const put = await client.ask('PUT', `/${bucket}/k`, { body: 'one' });
  const marker = await client.ask('DELETE', `/${bucket}/k`);
  const id = put.headers['x-amz-version-id'];
  await client.ask('DELETE', `/${bucket}/k`, { query: `versionId=${id}` });
  t.same(await hook.wait(bucket, 3), [
    'ObjectCreated:Put k',
    'ObjectRemoved:DeleteMarkerCreated k',
    'ObjectRemoved:Delete k',
  ]);
  const ids = hook.heard.filter((each) => each.bucket === bucket).map(({ versionId }) => versionId);
  t.same(ids, [id, marker.headers['x-amz-version-id'], id]);
}

export async function filtered(t: Test, { client }: Both, hook: Receiver): Promise<void> {
  const bucket = await client.makeBucket();
  const created = EVENTS('s3:ObjectCreated:Put');
  const rule = (id: string, prefix: string): string =>
    QUEUE(`<Id>${id}</Id>${created}${FILTER(['prefix', prefix], ['suffix', '.jpg'])}`);
  await set(client, bucket, rule('one', 'in/'), rule('two', 'out/'));
  for (const key of ['in/a.jpg', 'in/a.png', 'a.jpg', 'out/b.jpg']) {
    await client.ask('PUT', `/${bucket}/${key}`, { body: 'x' });
  }
  await client.ask('DELETE', `/${bucket}/in/a.jpg`);
  await hook.wait(bucket, 2);
  await sleep(200);
  const rules = hook.heard.filter((each) => each.bucket === bucket).map(({ rule: of, key }) => `${of} ${key}`);
  t.same(rules.sort(), ['one in/a.jpg', 'two out/b.jpg']);
}

/** While nobody answers writes go on; afterwards everything is told, each key's events in order. */
export async function afterAnOutage(t: Test, { client }: Both, hook: Receiver): Promise<void> {
  const bucket = await client.makeBucket();
  await setAll(client, bucket);
  hook.isDown = true;
  for (let round = 0; round < 3; round++) {
    for (const key of ['x', 'y', 'z']) {
      t.equal((await client.ask('PUT', `/${bucket}/${key}`, { body: 'x'.repeat(round) })).status, 200);
    }
  }
  await client.ask('DELETE', `/${bucket}/x`);
  while (hook.refused === 0) await sleep(20);
  t.same(hook.said(bucket), []);
  hook.isDown = false;
  await hook.wait(bucket, 10);
  for (const key of ['x', 'y', 'z']) {
    const sizes = hook.heard.filter((each) => each.bucket === bucket && each.key === key).map(({ size }) => size);
    t.same(sizes, key === 'x' ? [0, 1, 2, undefined] : [0, 1, 2], key);
  }
}
