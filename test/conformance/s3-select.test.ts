// SelectObjectContent on what a cluster alone has: sealed objects, what Swift makes, parts, and scans that others do not feel.
import { createHash } from 'node:crypto';
import http from 'node:http';
import t, { type Test } from 'tap';
import { sha256Hex, signHeaders } from '../s3-signer.ts';
import { type Both, openBoth } from './both-rig.ts';
import { type Answer, amzNow, type S3Client } from './s3-rig.ts';
import { CSV, documentOf, HEADED, JSON_OUT, LINES, select } from './s3-select.ts';

t.setTimeout(120_000);

const PEOPLE = 'name,age\nann,31\nbob,9\n';
const KEY = Buffer.alloc(32, 7);
const ROWS = 20_000;
const PART_BYTES = 5 * 1024 * 1024;

const customer = (key: Buffer): Record<string, string> => ({
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': key.toString('base64'),
  'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
});

interface Shared extends Both {
  readonly t: Test;
  readonly bucket: string;
  put(key: string, body: string | Buffer, headers?: Record<string, string>): Promise<Answer>;
  /** Of who is older than ten. */
  names(key: string, headers?: Record<string, string>): Promise<string>;
}

const TESTS: Readonly<Record<string, (shared: Shared) => Promise<void>>> = {
  async encrypted({ t, client, bucket, put, names }) {
    await put('c', PEOPLE, customer(KEY));
    t.equal(await names('c', customer(KEY)), 'ann\n');
    t.equal(await names('c'), '400 InvalidRequest', 'without its key');
    t.equal(await names('c', customer(Buffer.alloc(32, 8))), '403 AccessDenied', 'with another');
    const long = `${PEOPLE}${'eve,50\n'.repeat(100_000)}`;
    for (const mode of ['AES256', 'aws:kms']) {
      await put('s', long, { 'x-amz-server-side-encryption': mode });
      const sql = 'SELECT COUNT(*) FROM S3Object s WHERE s.age = 50';
      const found = await select(client, `/${bucket}/s`, { sql, input: HEADED });
      t.equal(found.text, '100000\n', mode);
      t.equal(found.answer.headers['x-amz-server-side-encryption'], mode);
      const range = '<ScanRange><Start>300000</Start><End>300006</End></ScanRange>';
      const ranged = await select(client, `/${bucket}/s`, { sql: 'SELECT * FROM S3Object', more: range });
      t.equal(ranged.text, 'eve,50\n', 'from the middle');
    }
  },

  async 'made of others'({ t, client, bucket, put, names, swift }) {
    const whole = Buffer.from(`${PEOPLE}${'eve,5\n'.repeat(900_000)}kim,70\n`);
    const begun = await client.ask('POST', `/${bucket}/parts`, { query: 'uploads' });
    const id = /<UploadId>(.*?)</.exec(begun.text)?.[1];
    let done = '';
    for (const [i, body] of [whole.subarray(0, PART_BYTES), whole.subarray(PART_BYTES)].entries()) {
      const part = await client.ask('PUT', `/${bucket}/parts`, { query: `partNumber=${i + 1}&uploadId=${id}`, body });
      done += `<Part><PartNumber>${i + 1}</PartNumber><ETag>${part.headers['etag']}</ETag></Part>`;
    }
    const body = `<CompleteMultipartUpload>${done}</CompleteMultipartUpload>`;
    t.equal((await client.ask('POST', `/${bucket}/parts`, { query: `uploadId=${id}`, body })).status, 200);
    t.equal(await names('parts'), 'ann\nkim\n', 'uploaded in parts');

    await put('a', 'name,age\nan');
    await put('b', 'n,31\nbob,9\n');
    const manifest = JSON.stringify(['a', 'b'].map((key) => ({ path: `/${bucket}/${key}` })));
    t.equal((await swift('PUT', `/${bucket}/slo?multipart-manifest=put`, {}, manifest)).status, 201);
    t.equal(await names('slo'), 'ann\n', 'a static large object');
    await swift('PUT', `/${bucket}/dlo`, { 'x-object-manifest': `${bucket}/pieces/` }, '');
    await put('pieces/1', 'name,age\nan');
    await put('pieces/2', 'n,31\nbob,9\n');
    t.equal(await names('dlo'), 'ann\n', 'a dynamic one');
    t.equal((await swift('PUT', `/${bucket}/link`, { 'x-symlink-target': `${bucket}/slo` }, '')).status, 201);
    t.equal((await client.ask('GET', `/${bucket}/link`)).text, '', 'S3 sees an empty object in a symbolic link');
    t.equal(await names('link'), '', 'and so do queries');
  },

  async versions({ t, client }) {
    const versioned = await client.makeBucket();
    const Status = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await client.ask('PUT', `/${versioned}`, { query: 'versioning', body: Status });
    for (const body of ['1\n', '2\n']) await client.ask('PUT', `/${versioned}/o`, { body });
    const newest = await select(client, `/${versioned}/o`, { sql: 'SELECT * FROM S3Object' });
    t.equal(newest.text, '2\n');
    await client.ask('DELETE', `/${versioned}/o`);
    t.equal((await select(client, `/${versioned}/o`, { sql: 'SELECT * FROM S3Object' })).text, '404 NoSuchKey');
  },

  async 'clients that leave, and many at once'({ t, client, bucket, put }) {
    await put('long', `${'z'.repeat(90)},1\n`.repeat(ROWS));
    const path = `/${bucket}/long`;
    for (let i = 0; i < 20; i++) await leave(client, path);
    const sql = "SELECT COUNT(*) FROM S3Object s WHERE s._1 LIKE '%zz_z%'";
    const all = await Promise.all(Array.from({ length: 20 }, () => select(client, path, { sql })));
    const counted = all.filter(({ text }) => text === `${ROWS}\n`).length;
    const busy = all.filter(({ text }) => text === '503 Busy').length;
    t.equal(counted + busy, 20);
    t.ok(counted >= 16, `${counted} were answered, ${busy} were told to come later`);
    t.equal((await select(client, path, { sql })).text, `${ROWS}\n`, 'places are free again');
  },

  async 'others are served meanwhile'({ t, client, bucket, put }) {
    await put('longer', `${'z'.repeat(90)},1\n`.repeat(8 * ROWS));
    let scanned = false;
    const sql = "SELECT COUNT(*) FROM S3Object s WHERE s._1 LIKE '%z_y%'";
    const scan = select(client, `/${bucket}/longer`, { sql }).finally(() => {
      scanned = true;
    });
    let served = 0;
    while (!scanned && served < 1000) {
      t.equal((await client.ask('GET', `/${bucket}/a`)).status, 200);
      served++;
    }
    t.equal((await scan).text, '0\n');
    t.ok(served > 1, `${served} other requests in the meantime`);
  },

  async 'memory stays flat'({ t, client, bucket, put }) {
    const line = `{"filler":"${'p'.repeat(1000)}","n":1}\n`;
    await put('big', line.repeat(40_000));
    const before = process.memoryUsage().rss;
    const sql = "SELECT s.n FROM S3Object s WHERE s.filler = 'q'";
    const asked = { sql, input: LINES, output: JSON_OUT };
    for (let i = 0; i < 3; i++) t.equal((await select(client, `/${bucket}/big`, asked)).text, '');
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    t.ok(grown < 150, `grew by ${grown.toFixed()} MiB while 120 MB were read`);
  },
};

t.test('a cluster', async (t) => {
  const both = await openBoth(t);
  const { client } = both;
  const bucket = await client.makeBucket();
  const shared = {
    ...both,
    bucket,
    put: (key: string, body: string | Buffer, headers: Record<string, string> = {}) =>
      client.ask('PUT', `/${bucket}/${key}`, { body, headers }),
    async names(key: string, headers: Record<string, string> = {}) {
      const sql = 'SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) > 10';
      return (await select(client, `/${bucket}/${key}`, { sql, input: HEADED, sent: { headers } })).text;
    },
  };
  for (const [name, test] of Object.entries(TESTS)) await t.test(name, (t) => test({ ...shared, t }));
});

/** Reads the beginning of an answer and goes away. */
function leave(client: S3Client, path: string): Promise<void> {
  const body = documentOf({ sql: 'SELECT * FROM S3Object', input: CSV });
  const query = 'select=&select-type=2';
  const toSign = { method: 'POST', path, query, headers: { host: client.host }, payload: sha256Hex(body) };
  const headers = signHeaders({ ...client.owner, region: client.region }, { ...toSign, timestamp: amzNow() });
  const [host = '', port] = client.host.split(':');
  return new Promise((resolve, reject) => {
    const options = { host, port, method: 'POST', path: `${path}?${query}` };
    const request = http.request({ ...options, headers: { ...headers, 'content-length': body.length } }, (response) => {
      response.once('data', () => {
        response.destroy();
        resolve();
      });
      response.on('error', () => {});
    });
    request.on('error', reject);
    request.end(body);
  });
}
