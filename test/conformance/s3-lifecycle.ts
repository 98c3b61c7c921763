/** Lifecycle rules: the document and its checks, and what a worker does of it in days of a second. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Rig, S3Suite } from './s3-rig.ts';

/** Of the server that these run against. */
export const DAY_SECONDS = 2;
const DAY_MS = DAY_SECONDS * 1000;
/** For what is due, and for a worker to come by. */
const PATIENCE_MS = 20_000;

const tag = (text: string, name: string): string | undefined => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1];
const VERSIONING = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';

const RULES = (...rules: string[]): string =>
  `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rules.join('')}</LifecycleConfiguration>`;
const RULE = (inner: string, scope = '<Filter><Prefix></Prefix></Filter>', status = 'Enabled'): string =>
  `<Rule>${scope}<Status>${status}</Status>${inner}</Rule>`;
const DAYS = (days: number): string => `<Expiration><Days>${days}</Days></Expiration>`;
const PREFIX = (prefix: string): string => `<Filter><Prefix>${prefix}</Prefix></Filter>`;

const set = ({ client, bucket }: Rig, body: string): Promise<Answer> =>
  client.ask('PUT', `/${bucket}`, { query: 'lifecycle', body });

async function names({ client, bucket }: Rig): Promise<string> {
  const { text } = await client.ask('GET', `/${bucket}`, { query: 'list-type=2' });
  return [...text.matchAll(/<Key>(.*?)<\/Key>/g)].map((match) => match[1]).join(' ');
}

/** `key` of each version, markers as `key-`. */
async function versions({ client, bucket }: Rig): Promise<string> {
  const { text } = await client.ask('GET', `/${bucket}`, { query: 'versions' });
  const found = [...text.matchAll(/<(Version|DeleteMarker)>.*?<Key>(.*?)<\/Key>/g)];
  return found.map(([, kind, key]) => (kind === 'Version' ? key : `${key}-`)).join(' ');
}

async function until(read: () => Promise<string>, wanted: string): Promise<string> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += 200) {
    if ((await read()) === wanted) return wanted;
    await sleep(200);
  }
  return read();
}

export const documents: S3Suite = {
  'the document': async (rig) => {
    const { t, client, bucket } = rig;
    const get = (): Promise<Answer> => client.ask('GET', `/${bucket}`, { query: 'lifecycle' });
    t.equal((await get()).code, 'NoSuchLifecycleConfiguration');
    const noncurrent = (inner: string): string => `<NoncurrentVersionExpiration>${inner}</NoncurrentVersionExpiration>`;
    const abort =
      '<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>';
    const marker = '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>';
    const tagged = '<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>';
    const sized = '<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>';
    for (const [body, code] of [
      ['<Other/>', 'MalformedXML'],
      [RULES(), 'MalformedXML'],
      [RULES(RULE('')), 'InvalidRequest'],
      [RULES(RULE(DAYS(1), PREFIX('p'.repeat(1025)))), 'InvalidRequest'],
      [RULES(RULE(DAYS(0))), 'InvalidArgument'],
      [RULES(RULE(DAYS(-1))), 'InvalidArgument'],
      [RULES(RULE(DAYS(1), undefined, 'enabled')), 'MalformedXML'],
      [RULES(RULE(DAYS(1), '')), 'MalformedXML'],
      [RULES(RULE(DAYS(1), `<Prefix>a</Prefix>${PREFIX('a')}`)), 'MalformedXML'],
      [RULES(RULE('<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>')), 'MalformedXML'],
      [RULES(RULE('<Expiration><Date>20300101</Date></Expiration>')), 'MalformedXML'],
      [RULES(RULE('<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>')), 'InvalidArgument'],
      [RULES(RULE(`<ID>${'i'.repeat(256)}</ID>${DAYS(1)}`)), 'InvalidArgument'],
      [RULES(RULE(`<ID>a</ID>${DAYS(1)}`), RULE(`<ID>a</ID>${DAYS(2)}`, PREFIX('b'))), 'InvalidArgument'],
      [RULES(RULE('<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>')), 'NotImplemented'],
      [RULES(RULE(abort, tagged)), 'InvalidRequest'],
      [RULES(RULE(abort, sized)), 'InvalidRequest'],
      [RULES(RULE(marker, tagged)), 'InvalidRequest'],
      [RULES(RULE(noncurrent('<NewerNoncurrentVersions>1</NewerNoncurrentVersions>'))), 'MalformedXML'],
      [RULES(RULE(DAYS(1), '<Filter><And><Prefix>a</Prefix></And></Filter>')), 'MalformedXML'],
      [
        RULES(
          RULE(
            DAYS(1),
            '<Filter><And><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>',
          ),
        ),
        'InvalidRequest',
      ],
    ] as const) {
      t.equal((await set(rig, body)).code, code, body);
    }
    const and =
      '<Filter><And><Prefix>p</Prefix><Tag><Key>a</Key><Value>b</Value></Tag><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>';
    const rules = [
      `<Rule><ID>one</ID><Prefix>old/</Prefix><Status>Enabled</Status>${DAYS(31)}</Rule>`,
      `<Rule><ID>two</ID>${and}<Status>Disabled</Status><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>`,
      `<Rule><ID>three</ID>${PREFIX('x')}<Status>Enabled</Status>${marker}${noncurrent('<NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions>')}${abort}</Rule>`,
    ];
    t.equal((await set(rig, RULES(...rules))).status, 200);
    t.match((await get()).text, rules.join(''), 'as it was written');
    const begun = await client.ask('POST', `/${bucket}/x1`, { query: 'uploads' });
    const id = tag(begun.text, 'UploadId') ?? '';
    for (const { headers } of [begun, await client.ask('GET', `/${bucket}/x1`, { query: `uploadId=${id}` })]) {
      t.match(headers['x-amz-abort-date'], / GMT$/);
      t.equal(headers['x-amz-abort-rule-id'], 'three');
    }
    const other = await client.ask('POST', `/${bucket}/y1`, { query: 'uploads' });
    t.equal(other.headers['x-amz-abort-date'], undefined, 'of another prefix');
    const minimum = 'x-amz-transition-default-minimum-object-size';
    t.equal((await get()).headers[minimum], 'all_storage_classes_128K');
    const put = (size: string): Promise<Answer> =>
      client.ask('PUT', `/${bucket}`, { query: 'lifecycle', body: RULES(RULE(DAYS(3))), headers: { [minimum]: size } });
    t.equal((await put('small')).code, 'InvalidArgument');
    t.equal((await put('varies_by_storage_class')).headers[minimum], 'varies_by_storage_class');
    t.equal((await get()).headers[minimum], 'varies_by_storage_class');
    await set(rig, RULES(RULE(DAYS(3))));
    t.match((await get()).text, /<ID>.{10,}<\/ID>/, 'a rule without a name gets one');
    t.equal((await client.ask('GET', `/${bucket}`, { query: 'lifecycle', user: client.stranger })).status, 403);
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'lifecycle' })).status, 204);
    t.equal((await get()).code, 'NoSuchLifecycleConfiguration');
    t.equal((await client.ask('DELETE', `/${bucket}`, { query: 'lifecycle' })).status, 204);
  },
};

export const deeds: S3Suite = {
  'expiration by prefix, tag, size and date': async (rig) => {
    const { t, client, bucket } = rig;
    const put = (key: string, body = 'x', headers: Record<string, string> = {}): Promise<Answer> =>
      client.ask('PUT', `/${bucket}/${key}`, { body, headers });
    const tagged = '<Filter><And><Prefix>t/</Prefix><Tag><Key>go</Key><Value>yes</Value></Tag></And></Filter>';
    const sized = '<Filter><And><Prefix>s/</Prefix><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></And></Filter>';
    const past = '<Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration>';
    const rules = RULES(
      RULE(`<ID>rule 1</ID>${DAYS(1)}`, PREFIX('p/')),
      RULE(DAYS(1), tagged),
      RULE(DAYS(1), sized),
      RULE(past, PREFIX('d/')),
      RULE(DAYS(1), PREFIX('off/'), 'Disabled'),
      RULE(DAYS(10_000), PREFIX('later/')),
    );
    t.equal((await set(rig, rules)).status, 200);
    const made = await put('p/1');
    t.match(made.headers['x-amz-expiration'], /^expiry-date="[A-Z][a-z]{2}, .* GMT", rule-id="rule%201"$/);
    const headers = { 'x-amz-tagging': 'go=yes' };
    t.ok((await put('t/go', 'x', headers)).headers['x-amz-expiration']);
    for (const key of ['t/stay', 'p2', 'off/1', 'later/1', 'd/1']) await put(key);
    await put('s/large', 'more than ten bytes');
    await put('s/small');
    t.equal((await client.ask('HEAD', `/${bucket}/p2`)).headers['x-amz-expiration'], undefined);
    t.equal((await client.ask('GET', `/${bucket}/later/1`)).headers['x-amz-expiration']?.includes('expiry-date'), true);
    const wanted = 'later/1 off/1 p2 s/small t/stay';
    t.equal(await until(() => names(rig), wanted), wanted);
    t.equal((await client.ask('GET', `/${bucket}/p/1`)).code, 'NoSuchKey');
  },

  'versions, markers and uploads': async (rig) => {
    const { t, client, bucket } = rig;
    await client.ask('PUT', `/${bucket}`, { query: 'versioning', body: VERSIONING });
    const put = (key: string): Promise<Answer> => client.ask('PUT', `/${bucket}/${key}`, { body: 'x' });
    for (const key of ['cur/1', 'non/1', 'non/1', 'non/1', 'non/1', 'keep/1', 'keep/1']) await put(key);
    await put('mark/1');
    const id = (await client.ask('HEAD', `/${bucket}/mark/1`)).headers['x-amz-version-id'];
    await client.ask('DELETE', `/${bucket}/mark/1`);
    await client.ask('DELETE', `/${bucket}/mark/1`, { query: `versionId=${id}` });
    await client.ask('POST', `/${bucket}/up/1`, { query: 'uploads' });
    await client.ask('POST', `/${bucket}/other`, { query: 'uploads' });
    t.equal(await versions(rig), 'cur/1 keep/1 keep/1 mark/1- non/1 non/1 non/1 non/1');
    const noncurrent =
      '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>';
    const marker = '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>';
    const abort =
      '<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>';
    const rules = RULES(
      RULE(DAYS(1), PREFIX('cur/')),
      RULE(noncurrent, PREFIX('non/')),
      RULE(marker, PREFIX('mark/')),
      RULE(abort, PREFIX('up/')),
    );
    t.equal((await set(rig, rules)).status, 200);
    const wanted = 'cur/1- cur/1 keep/1 keep/1 non/1 non/1';
    t.equal(await until(() => versions(rig), wanted), wanted);
    const uploads = async (): Promise<string> => {
      const { text } = await client.ask('GET', `/${bucket}`, { query: 'uploads' });
      return [...text.matchAll(/<Key>(.*?)<\/Key>/g)].map((match) => match[1]).join(' ');
    };
    t.equal(await until(uploads, 'other'), 'other');
    t.equal(tag((await client.ask('GET', `/${bucket}/cur/1`)).text, 'Code'), 'NoSuchKey');
  },

  'what is locked stays': async ({ t, client }) => {
    const bucket = await client.makeBucket({ 'x-amz-bucket-object-lock-enabled': 'true' });
    const rig = { t, client, bucket };
    const body = '<LegalHold><Status>ON</Status></LegalHold>';
    for (const key of ['free', 'held']) {
      const first = await client.ask('PUT', `/${bucket}/${key}`, { body: 'x' });
      const query = `legal-hold&versionId=${first.headers['x-amz-version-id']}`;
      if (key === 'held') t.equal((await client.ask('PUT', `/${bucket}/${key}`, { query, body })).status, 200);
      await client.ask('PUT', `/${bucket}/${key}`, { body: 'y' });
    }
    const noncurrent = '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>';
    await set(rig, RULES(RULE(noncurrent)));
    t.equal(await until(() => versions(rig), 'free held held'), 'free held held');
    await sleep(DAY_MS);
    t.equal(await versions(rig), 'free held held');
  },
};
