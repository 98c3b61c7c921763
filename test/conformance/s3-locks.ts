/** Object lock: what holds, against whom, and how it is set. */
import { createHash } from 'node:crypto';
import type { Answer, Rig, S3Suite } from './s3-rig.ts';

const LOCKED = { 'x-amz-bucket-object-lock-enabled': 'true' };
const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('base64');
const later = (ms: number): string => new Date(Date.now() + ms).toISOString();
/** A lock that ends during the test, though not before a busy machine has looked at it. */
const SHORT_MS = 4_000;
/** By then it has ended. */
const OVER_MS = 30_000;
const HOUR = 3600_000;
const tag = (text: string, name: string): string | undefined => new RegExp(`<${name}>(.*?)</${name}>`).exec(text)?.[1];

const RETENTION = (mode: string, until: string): string =>
  `<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;
const HOLD = (status: string): string => `<LegalHold><Status>${status}</Status></LegalHold>`;
const RULE = (inner: string): string =>
  `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>${inner}</DefaultRetention></Rule></ObjectLockConfiguration>`;
const NO_RULE = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>';
const VERSIONING = (state: string): string =>
  `<VersioningConfiguration><Status>${state}</Status></VersioningConfiguration>`;
const BYPASS = { 'x-amz-bypass-governance-retention': 'true' };

interface Locked {
  readonly mode?: string;
  readonly until?: string;
  readonly hold?: string;
}

function headersOf({ mode, until, hold }: Locked): Record<string, string> {
  return {
    ...(mode ? { 'x-amz-object-lock-mode': mode } : {}),
    ...(until ? { 'x-amz-object-lock-retain-until-date': until } : {}),
    ...(hold ? { 'x-amz-object-lock-legal-hold': hold } : {}),
  };
}

/** In a bucket of its own, with object lock. */
class Lab {
  readonly rig: Rig;
  readonly bucket: string;

  constructor(rig: Rig, bucket: string) {
    this.rig = rig;
    this.bucket = bucket;
  }

  static async open(rig: Rig): Promise<Lab> {
    return new Lab(rig, await rig.client.makeBucket(LOCKED));
  }

  ask(method: string, key: string, sent: Parameters<Rig['client']['ask']>[2] = {}): Promise<Answer> {
    return this.rig.client.ask(method, key === '' ? `/${this.bucket}` : `/${this.bucket}/${key}`, sent);
  }

  /** The new version's id, or the error. */
  async put(key: string, lock: Locked = {}, body: string | Buffer = 'text'): Promise<string> {
    const answer = await this.ask('PUT', key, { body, headers: { ...headersOf(lock), 'content-md5': md5(body) } });
    return answer.headers['x-amz-version-id'] ?? answer.code ?? String(answer.status);
  }

  /** `204` or the error's code. */
  async del(key: string, versionId: string, headers: Record<string, string> = {}): Promise<string> {
    const answer = await this.ask('DELETE', key, { query: `versionId=${versionId}`, headers });
    return answer.code ?? String(answer.status);
  }

  async retain(key: string, body: string, versionId?: string, headers: Record<string, string> = {}): Promise<string> {
    const query = versionId === undefined ? 'retention' : `retention&versionId=${versionId}`;
    const answer = await this.ask('PUT', key, { query, body, headers });
    return answer.code ?? String(answer.status);
  }

  async hold(key: string, status: string, versionId?: string): Promise<string> {
    const query = versionId === undefined ? 'legal-hold' : `legal-hold&versionId=${versionId}`;
    const answer = await this.ask('PUT', key, { query, body: HOLD(status) });
    return answer.code ?? String(answer.status);
  }
}

export const locks: S3Suite = {
  'the configuration': async (rig) => {
    const { t, client, bucket } = rig;
    const of = (name: string, body?: string): Promise<Answer> =>
      client.ask(body === undefined ? 'GET' : 'PUT', `/${name}`, {
        query: 'object-lock',
        ...(body === undefined ? {} : { body }),
      });
    t.equal((await of(bucket)).code, 'ObjectLockConfigurationNotFoundError');
    const plain = await of(bucket, RULE('<Mode>GOVERNANCE</Mode><Days>1</Days>'));
    t.equal(`${plain.status} ${plain.code}`, '409 InvalidBucketState', 'without versioning');
    const { bucket: locked } = await Lab.open(rig);
    const state = await client.ask('GET', `/${locked}`, { query: 'versioning' });
    t.equal(tag(state.text, 'Status'), 'Enabled', 'such a bucket has versioning');
    t.equal(tag((await of(locked)).text, 'ObjectLockEnabled'), 'Enabled');
    for (const [body, code] of [
      [RULE('<Mode>GOVERNANCE</Mode><Days>0</Days>'), 'InvalidRetentionPeriod'],
      [RULE('<Mode>GOVERNANCE</Mode><Years>-1</Years>'), 'InvalidRetentionPeriod'],
      [RULE('<Mode>GOVERNANCE</Mode><Days>36501</Days>'), 'InvalidRetentionPeriod'],
      [RULE('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>'), 'MalformedXML'],
      [RULE('<Mode>GOVERNANCE</Mode>'), 'MalformedXML'],
      [RULE('<Mode>governance</Mode><Days>1</Days>'), 'MalformedXML'],
      [RULE('<Days>1</Days>'), 'MalformedXML'],
      [NO_RULE.replace('Enabled<', 'Disabled<'), 'MalformedXML'],
      ['<ObjectLockConfiguration/>', 'MalformedXML'],
    ] as const) {
      t.equal((await of(locked, body)).code, code, body);
    }
    t.equal((await of(locked, RULE('<Mode>COMPLIANCE</Mode><Years>1</Years>'))).status, 200);
    const shown = await of(locked);
    t.equal(`${tag(shown.text, 'Mode')} ${tag(shown.text, 'Years')}`, 'COMPLIANCE 1');
    const suspend = { query: 'versioning', body: VERSIONING('Suspended') };
    const refused = await client.ask('PUT', `/${locked}`, suspend);
    t.equal(`${refused.status} ${refused.code}`, '409 InvalidBucketState');
    t.equal((await of(locked, NO_RULE)).status, 200);
    t.notMatch((await of(locked)).text, '<Rule>', 'the default is gone, the lock is not');
    t.equal((await client.ask('GET', `/${locked}`, { query: 'object-lock', user: client.stranger })).status, 403);
    const [wrong, value] = ['x-amz-bucket-object-lock-enabled', 'perhaps'];
    t.equal((await client.ask('PUT', `/${bucket}-x`, { headers: { [wrong]: value } })).code, 'InvalidArgument');
  },

  'a bucket that gets it later': async (rig) => {
    const { t, client, bucket } = rig;
    const lab = new Lab(rig, bucket);
    const until = later(HOUR);
    await lab.ask('PUT', 'early', { body: 'null version' });
    t.equal(await lab.put('k', { mode: 'GOVERNANCE', until }), 'InvalidRequest');
    t.equal(await lab.put('k', { hold: 'ON' }), 'InvalidRequest');
    t.equal(await lab.retain('early', RETENTION('GOVERNANCE', until)), 'InvalidRequest');
    t.equal(await lab.hold('early', 'ON'), 'InvalidRequest');
    t.equal((await lab.ask('GET', 'early', { query: 'retention' })).code, 'InvalidRequest');
    t.equal((await lab.ask('GET', 'early', { query: 'legal-hold' })).code, 'InvalidRequest');
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'versioning', body: VERSIONING('Enabled') })).status, 200);
    t.equal((await client.ask('PUT', `/${bucket}`, { query: 'object-lock', body: NO_RULE })).status, 200);
    t.equal(await lab.hold('early', 'ON', 'null'), '200', 'what was there can be held');
    await lab.put('early');
    t.equal(await lab.del('early', 'null'), 'AccessDenied', 'also when it is not the newest any more');
    t.equal(await lab.hold('early', 'OFF', 'null'), '200');
    t.equal(await lab.del('early', 'null'), '204');
  },

  'headers of uploads': async (rig) => {
    const { t } = rig;
    const lab = await Lab.open(rig);
    const until = later(HOUR);
    for (const [lock, code] of [
      [{ mode: 'GOVERNANCE' }, 'InvalidArgument'],
      [{ until }, 'InvalidArgument'],
      [{ mode: 'governance', until }, 'InvalidArgument'],
      [{ mode: 'GOVERNANCE', until: later(-HOUR) }, 'InvalidArgument'],
      [{ mode: 'GOVERNANCE', until: 'tomorrow' }, 'InvalidArgument'],
      [{ hold: 'on' }, 'InvalidArgument'],
    ] as const) {
      t.equal(await lab.put('k', lock), code, JSON.stringify(lock));
    }
    const bare = await lab.ask('PUT', 'k', { body: 'x', headers: headersOf({ hold: 'ON' }) });
    t.equal(bare.code, 'InvalidRequest', 'a digest must come along');
    const id = await lab.put('k', { mode: 'COMPLIANCE', until, hold: 'ON' });
    for (const method of ['GET', 'HEAD']) {
      const { headers } = await lab.ask(method, 'k');
      t.equal(headers['x-amz-object-lock-mode'], 'COMPLIANCE');
      t.equal(headers['x-amz-object-lock-retain-until-date'], until);
      t.equal(headers['x-amz-object-lock-legal-hold'], 'ON');
    }
    const copy = await lab.ask('PUT', 'copy', { headers: { 'x-amz-copy-source': `${lab.bucket}/k` } });
    t.equal(copy.status, 200, copy.text);
    t.equal((await lab.ask('HEAD', 'copy')).headers['x-amz-object-lock-mode'], undefined, 'a copy has its own lock');
    const held = { 'x-amz-copy-source': `${lab.bucket}/k`, ...headersOf({ hold: 'ON' }) };
    const second = await lab.ask('PUT', 'copy', { headers: held });
    t.equal(await lab.del('copy', second.headers['x-amz-version-id'] ?? ''), 'AccessDenied');
    t.equal(await lab.del('k', id), 'AccessDenied');
    const begun = await lab.ask('POST', 'm', { query: 'uploads', headers: headersOf({ mode: 'GOVERNANCE', until }) });
    const uploadId = tag(begun.text, 'UploadId') ?? '';
    const part = await lab.ask('PUT', 'm', { query: `partNumber=1&uploadId=${uploadId}`, body: 'part' });
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
    const made = await lab.ask('POST', 'm', { query: `uploadId=${uploadId}`, body: list });
    t.equal((await lab.ask('HEAD', 'm')).headers['x-amz-object-lock-mode'], 'GOVERNANCE');
    t.equal(await lab.del('m', made.headers['x-amz-version-id'] ?? ''), 'AccessDenied');
    const other = await lab.ask('PUT', 'm', {
      query: `partNumber=1&uploadId=${uploadId}`,
      body: 'x',
      headers: headersOf({ hold: 'ON' }),
    });
    t.equal(other.code, 'NotImplemented', 'a part has no lock');
  },

  retention: async (rig) => {
    const { t } = rig;
    const lab = await Lab.open(rig);
    const [soon, until, far] = [later(HOUR), later(2 * HOUR), later(3 * HOUR)];
    const id = await lab.put('g');
    t.equal((await lab.ask('GET', 'g', { query: 'retention' })).code, 'NoSuchObjectLockConfiguration');
    for (const [body, code] of [
      [RETENTION('governance', until), 'MalformedXML'],
      [RETENTION('GOVERNANCE', 'soon'), 'MalformedXML'],
      [RETENTION('GOVERNANCE', later(-HOUR)), 'InvalidArgument'],
      ['<Retention><Mode>GOVERNANCE</Mode></Retention>', 'MalformedXML'],
      ['<Other/>', 'MalformedXML'],
    ] as const) {
      t.equal(await lab.retain('g', body), code, body);
    }
    t.equal(await lab.retain('none', RETENTION('GOVERNANCE', until)), 'NoSuchKey');
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', until), '0123456789abcdef'), 'NoSuchVersion');
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', until), 'x'), 'InvalidArgument');
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', until)), '200');
    const shown = await lab.ask('GET', 'g', { query: `retention&versionId=${id}` });
    t.equal(`${tag(shown.text, 'Mode')} ${tag(shown.text, 'RetainUntilDate')}`, `GOVERNANCE ${until}`);
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', soon)), 'AccessDenied', 'shorter');
    t.equal(await lab.retain('g', RETENTION('COMPLIANCE', far)), 'AccessDenied', 'another mode');
    t.equal(await lab.retain('g', '<Retention/>'), 'AccessDenied', 'none');
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', far)), '200', 'longer');
    t.equal(await lab.del('g', id), 'AccessDenied');
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', soon), id, BYPASS), '200');
    t.equal(await lab.retain('g', '<Retention/>', id, BYPASS), '200');
    t.equal(await lab.retain('g', RETENTION('GOVERNANCE', until)), '200');
    t.equal(await lab.del('g', id, { 'x-amz-bypass-governance-retention': 'false' }), 'AccessDenied');
    t.equal(await lab.del('g', id, BYPASS), '204');

    const c = await lab.put('c', { mode: 'COMPLIANCE', until });
    t.equal(await lab.del('c', c, BYPASS), 'AccessDenied');
    t.equal(await lab.retain('c', RETENTION('COMPLIANCE', soon), c, BYPASS), 'AccessDenied');
    t.equal(await lab.retain('c', RETENTION('GOVERNANCE', far), c, BYPASS), 'AccessDenied');
    t.equal(await lab.retain('c', '<Retention/>', c, BYPASS), 'AccessDenied');
    t.equal(await lab.retain('c', RETENTION('COMPLIANCE', far)), '200');
    const end = later(SHORT_MS);
    const short = await lab.put('s', { mode: 'COMPLIANCE', until: end });
    t.equal(await lab.del('s', short), 'AccessDenied');
    while ((await lab.del('s', short)) !== '204' && later(-OVER_MS) < end) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    t.equal((await lab.ask('GET', 's', { query: `versionId=${short}` })).code, 'NoSuchVersion', 'its time is over');
  },

  'what a lock holds against': async (rig) => {
    const { t, client } = rig;
    const lab = await Lab.open(rig);
    const large = Buffer.alloc(200_000, 'l');
    const id = await lab.put('k', {}, large);
    t.equal(await lab.hold('k', 'ON'), '200');
    t.equal(tag((await lab.ask('GET', 'k', { query: 'legal-hold' })).text, 'Status'), 'ON');
    t.equal(await lab.del('k', id), 'AccessDenied');
    t.equal(await lab.del('k', id, BYPASS), 'AccessDenied', 'nobody overrules a hold');
    const newer = await lab.put('k');
    const marker = (await lab.ask('DELETE', 'k')).headers['x-amz-version-id'] ?? '';
    t.equal(await lab.del('k', id), 'AccessDenied', 'two versions later');
    t.equal(await lab.retain('k', RETENTION('GOVERNANCE', later(HOUR)), marker), 'MethodNotAllowed');
    t.equal(await lab.retain('k', RETENTION('GOVERNANCE', later(HOUR))), 'NoSuchKey', 'a marker stands there');
    const body = `<Delete><Object><Key>k</Key><VersionId>${id}</VersionId></Object><Object><Key>k</Key><VersionId>${newer}</VersionId></Object></Delete>`;
    const many = await lab.ask('POST', '', { query: 'delete', body, headers: { 'content-md5': md5(body) } });
    t.match(many.text, '<Code>AccessDenied</Code>');
    t.match(many.text, `<VersionId>${newer}</VersionId>`);
    t.equal(await lab.del('k', marker), '204');
    t.ok((await lab.ask('GET', 'k')).body.equals(large), 'it is the newest again');
    t.equal(await lab.del('k', id), 'AccessDenied', 'in its new place, too');
    t.equal((await client.ask('DELETE', `/${lab.bucket}`)).code, 'BucketNotEmpty');
    t.equal(await lab.hold('k', 'OFF', id), '200');
    t.equal((await lab.ask('HEAD', 'k')).headers['x-amz-object-lock-legal-hold'], 'OFF');
    t.equal(await lab.hold('k', 'maybe'), 'MalformedXML');
    t.equal(await lab.del('k', id), '204');
    t.equal((await client.ask('DELETE', `/${lab.bucket}`)).status, 204);
  },

  'default retention': async (rig) => {
    const { t, client } = rig;
    const lab = await Lab.open(rig);
    const rule = RULE('<Mode>GOVERNANCE</Mode><Days>1</Days>');
    await client.ask('PUT', `/${lab.bucket}`, { query: 'object-lock', body: rule });
    const id = await lab.put('k');
    const { headers } = await lab.ask('HEAD', 'k');
    t.equal(headers['x-amz-object-lock-mode'], 'GOVERNANCE');
    const untilMs = Date.parse(headers['x-amz-object-lock-retain-until-date'] ?? '');
    t.ok(Math.abs(untilMs - Date.now() - 24 * HOUR) < HOUR, 'a day from now');
    t.equal(await lab.del('k', id), 'AccessDenied');
    await lab.put('own', { mode: 'COMPLIANCE', until: later(HOUR) });
    t.equal((await lab.ask('HEAD', 'own')).headers['x-amz-object-lock-mode'], 'COMPLIANCE', 'its own comes first');
    const gone = await lab.ask('DELETE', 'k');
    t.equal(await lab.del('k', gone.headers['x-amz-version-id'] ?? ''), '204', 'a marker is not retained');
  },

  'who may': async (rig) => {
    const { t, client } = rig;
    const lab = await Lab.open(rig);
    const until = later(HOUR);
    const id = await lab.put('k', { mode: 'GOVERNANCE', until });
    const allow = (...names: string[]): Promise<Answer> => {
      const resource = `arn:aws:s3:::${lab.bucket}/*`;
      const action = names.map((name) => `s3:${name}`);
      const statement = {
        Effect: 'Allow',
        Principal: { AWS: client.ids.stranger },
        Action: action,
        Resource: resource,
      };
      return lab.ask('PUT', '', {
        query: 'policy',
        body: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
      });
    };
    const user = client.stranger;
    const set = await allow('GetObject', 'DeleteObjectVersion', 'PutObject');
    t.equal(set.status, 204, set.text);
    t.equal((await lab.ask('HEAD', 'k', { user })).headers['x-amz-object-lock-mode'], undefined, 'not for everybody');
    t.equal((await lab.ask('GET', 'k', { user, query: 'retention' })).code, 'AccessDenied');
    const query = `versionId=${id}`;
    t.equal((await lab.ask('DELETE', 'k', { user, query, headers: BYPASS })).code, 'AccessDenied');
    const put = { user, body: 'x', headers: { ...headersOf({ hold: 'ON' }), 'content-md5': md5('x') } };
    t.equal((await lab.ask('PUT', 'held', put)).code, 'AccessDenied');
    await allow('GetObject', 'GetObjectRetention', 'PutObject', 'PutObjectLegalHold', 'BypassGovernanceRetention');
    t.equal((await lab.ask('HEAD', 'k', { user })).headers['x-amz-object-lock-mode'], 'GOVERNANCE');
    t.equal((await lab.ask('GET', 'k', { user, query: 'retention' })).status, 200);
    t.equal((await lab.ask('PUT', 'held', put)).status, 200);
    t.equal((await lab.ask('DELETE', 'k', { user, query, headers: BYPASS })).code, 'AccessDenied');
    await allow('DeleteObjectVersion', 'BypassGovernanceRetention');
    t.equal((await lab.ask('DELETE', 'k', { user, query, headers: BYPASS })).status, 204);
    const deny = {
      Effect: 'Deny',
      Principal: '*',
      Action: ['s3:PutObjectRetention'],
      Resource: `arn:aws:s3:::${lab.bucket}/*`,
      Condition: { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } },
    };
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: [deny] });
    t.equal((await lab.ask('PUT', '', { query: 'policy', body: policy })).status, 204);
    await lab.put('days');
    t.equal(await lab.retain('days', RETENTION('GOVERNANCE', later(20 * 24 * HOUR))), 'AccessDenied', 'too long');
    t.equal(await lab.put('days', { mode: 'GOVERNANCE', until: later(20 * 24 * HOUR) }), 'AccessDenied');
    t.equal(await lab.retain('days', RETENTION('GOVERNANCE', later(5 * 24 * HOUR))), '200');
  },

  'a lock and a deletion that race': async (rig) => {
    const { t } = rig;
    const lab = await Lab.open(rig);
    const outcomes = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const id = await lab.put('k', {}, i % 2 === 0 ? 'small' : Buffer.alloc(70_000, 'x'));
      if (i % 3 === 0) await lab.put('k');
      const [held, deleted] = await Promise.all([lab.hold('k', 'ON', id), lab.del('k', id)]);
      const there = (await lab.ask('GET', 'k', { query: `versionId=${id}` })).status === 200;
      const expected = held === '200' ? 'AccessDenied' : '204';
      t.equal(deleted, expected, `hold ${held}, delete ${deleted}`);
      t.equal(there, held === '200');
      outcomes.add(held);
    }
    t.comment([...outcomes].join(' '));
  },
};
