/** One transaction id leads from an answer through the proxy's log to the device that complained, by either API. */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { type Started, startBench } from '../test/crash/started.ts';

const BODY_BYTES = 300_000;
/** Which replica is read is the proxy's choice: it is a damaged one two times out of three. */
const OBJECTS = 12;
const LOG_LIMIT_MS = 60_000;
t.setTimeout(170_000);

interface Line {
  readonly zone?: string;
  readonly transId?: string;
  readonly msg: string;
  readonly method?: string;
  readonly status?: number;
  readonly device?: number;
}

/** Flips a byte of the body on every device but one that holds it: a read soon meets one of them. */
function damage(data: string, body: Buffer): number {
  const marker = body.subarray(1000, 1032);
  const zones = path.join(data, 'zones');
  const files = readdirSync(zones, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\/bulk\//.test(name))
    .map((name) => path.join(zones, name));
  const holders = files.filter((file) => readFileSync(file).includes(marker));
  for (const file of holders.slice(1)) {
    const at = readFileSync(file).indexOf(marker);
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.from([(marker[0] as number) ^ 1]), 0, 1, at);
    closeSync(handle);
  }
  return holders.length;
}

async function logged(logFile: string, wanted: (line: Line) => boolean): Promise<Line[]> {
  const endMs = performance.now() + LOG_LIMIT_MS;
  for (;;) {
    const text = readFileSync(logFile, 'utf8');
    const lines = text.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    const found = lines.map((line) => JSON.parse(line) as Line).filter(wanted);
    if (found.length > 0 || performance.now() > endMs) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

type Rig = Pick<Started, 'bench' | 'client'>;

const HEADERS = { swift: 'x-trans-id', s3: 'x-amz-request-id' } as const;
type Api = keyof typeof HEADERS;

/** Ids of reads that found the right bytes, though two replicas of three were damaged. */
async function readDamaged(t: Test, { bench, client }: Rig, api: Api): Promise<Set<string>> {
  const random = createSeededRandom(api.length);
  const ids = new Set<string>();
  let right = 0;
  for (let i = 0; i < OBJECTS; i++) {
    const body = random.bytes(BODY_BYTES);
    await client.ask('PUT', `/public/${api}-${i}`, body);
    const holders = damage(bench.data, body);
    const answer = await (api === 'swift'
      ? client.ask('GET', `/public/swift-${i}`)
      : client.raw('GET', `/public/s3-${i}`, {}));
    if (holders === 3 && answer.status === 200 && answer.body.equals(body)) right++;
    ids.add(String(answer.headers[HEADERS[api]]));
  }
  t.equal(right, OBJECTS, 'a damaged replica is never shown');
  t.equal(ids.size, OBJECTS, 'every request has an id of its own');
  return ids;
}

async function checkTrail(t: Test, { bench }: Rig, ids: ReadonlySet<string>): Promise<void> {
  const isComplaint = (line: Line): boolean => line.msg === 'damaged record set aside' && ids.has(line.transId ?? '');
  const [complaint] = await logged(bench.logFile, isComplaint);
  if (!complaint) return void t.fail('no device complained with an id that a client was told');
  const id = complaint.transId;
  t.match(complaint.zone, /^r\dz\d$/, 'a zone wrote it');
  t.type(complaint.device, 'number');
  const [request] = await logged(bench.logFile, (line) => line.transId === id && line.msg === 'request');
  t.match(request, { method: 'GET', status: 200 }, 'the proxy knows the request by the same id');
  t.equal(request?.zone, undefined);
  const [call] = await logged(bench.logFile, (line) => line.transId === id && line.method === 'blobRead');
  t.equal(call?.zone?.slice(0, 2), 'r1', 'and so does the call between them');
}

for (const processes of ['zones', 'inline'] as const) {
  t.test(`at log level debug, zones: ${processes}`, async (t) => {
    const { bench, server, client } = await startBench(t, { processes, logLevel: 'debug' });
    await client.ask('PUT', '/public');
    await client.askWith('POST', '/public', { 'X-Container-Read': '.r:*' });
    const rig = { bench, client };
    for (const api of ['swift', 's3'] as const) await checkTrail(t, rig, await readDamaged(t, rig, api));
    t.equal(await server.stop(), 0);
  });
}

t.test('at log level info no request is followed', async (t) => {
  const { bench, server, client } = await startBench(t, { processes: 'inline' });
  t.equal((await client.ask('PUT', '/c')).status, 201);
  t.equal(await server.stop(), 0);
  t.notMatch(readFileSync(bench.logFile, 'utf8'), /transId/);
});
