/**
 * Conditional writers that race through two proxies while zones are killed: one an S3 client of the program as it is shipped,
 * the other a proxy in this process on the same zones. Of two that ask for the same condition one at most is told that it
 * won, exactly one where both were answered for certain, and what it wrote is what both proxies show. PUT, DELETE and
 * CompleteMultipartUpload, in a plain bucket and in a versioned one.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { isFault } from '../../fabric/errors.ts';
import { md5Hex } from '../../fabric/hash.ts';
import { createSeededRandom, type Random } from '../../fabric/random.ts';
import { type Context, type ObjectRef, type Store, storeFaults } from '../../proxy/object/contract.ts';
import { readAll, sourceOf } from '../sim/body.ts';
import { Bench } from './campaign.ts';
import { openSecondProxy } from './second-proxy.ts';
import { CrashServer } from './server.ts';

const SEED = 4_711;
const RACE_MS = 12_000;
const TRIES_MAX = 60;
const TEST_LIMIT_MS = 230_000;
const ACCOUNT = 'AUTH_test';
const CONTEXT: Context = {
  transId: 'race',
  caller: { account: ACCOUNT, user: 'test:tester', groups: ['test:tester', 'test'], admin: true },
};
const notProc = process.platform === 'linux' ? false : 'needs Linux: processes are followed through /proc';
t.setTimeout(TEST_LIMIT_MS);

type Outcome = 'won' | 'refused' | 'unknown';

interface Racers {
  readonly s3: S3Client;
  readonly store: Store;
  readonly random: Random;
}

/** What two writers want, each with its body; undefined: the object gone. */
interface Race {
  readonly kind: string;
  readonly before: Buffer | undefined;
  readonly wanted: readonly [Buffer | undefined, Buffer | undefined];
  readonly run: readonly [() => Promise<unknown>, () => Promise<unknown>];
}

/** Which of a client's answers say that its condition did not hold. */
const REFUSED_STATUS: readonly unknown[] = [404, 412];
const REFUSED_CODES: readonly string[] = [storeFaults.preconditionFailed, storeFaults.noSuchObject];

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    await work();
    return 'won';
  } catch (error) {
    if (isFault(error)) return REFUSED_CODES.includes(error.code) ? 'refused' : 'unknown';
    const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
    return REFUSED_STATUS.includes(status) ? 'refused' : 'unknown';
  }
}

/** What must work before the race or after it: zones may be away for a moment. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES_MAX || (await outcomeOf(() => Promise.reject(error))) === 'refused') throw error;
      await sleep(100);
    }
  }
}

type Setting = { readonly at: ObjectRef; readonly bodies: readonly [Buffer, Buffer] } & Racers;

const target = ({ container, object }: ObjectRef): { Bucket: string; Key: string } => ({
  Bucket: container,
  Key: object,
});

const kinds: Readonly<Record<string, (setting: Setting) => Promise<Race>>> = {
  async create({ at, bodies, s3, store }) {
    const [a, b] = bodies;
    return {
      kind: 'create',
      before: undefined,
      wanted: bodies,
      run: [
        () => s3.send(new PutObjectCommand({ ...target(at), Body: a, IfNoneMatch: '*' })),
        () => store.putObject(CONTEXT, at, { body: sourceOf(b), conditions: { ifNoneMatch: '*' } }),
      ],
    };
  },
  async replace({ at, bodies, s3, store }) {
    const [a, b] = bodies;
    const before = Buffer.from(`before ${at.object}`);
    const { etag } = await insist(() => store.putObject(CONTEXT, at, { body: sourceOf(before) }));
    return {
      kind: 'replace',
      before,
      wanted: bodies,
      run: [
        () => s3.send(new PutObjectCommand({ ...target(at), Body: a, IfMatch: `"${etag}"` })),
        () => store.putObject(CONTEXT, at, { body: sourceOf(b), conditions: { ifMatch: [etag] } }),
      ],
    };
  },
  async remove({ at, s3, store }) {
    const before = Buffer.from(`before ${at.object}`);
    const { etag } = await insist(() => store.putObject(CONTEXT, at, { body: sourceOf(before) }));
    return {
      kind: 'remove',
      before,
      wanted: [undefined, undefined],
      run: [
        () => s3.send(new DeleteObjectCommand({ ...target(at), IfMatch: `"${etag}"` })),
        () => store.deleteObject(CONTEXT, at, { conditions: { ifMatch: [etag] } }),
      ],
    };
  },
  async complete({ at, bodies, s3, store }) {
    const [a, b] = bodies;
    const { UploadId = '' } = await insist(() => s3.send(new CreateMultipartUploadCommand(target(at))));
    const one = { ...target(at), UploadId, PartNumber: 1 };
    const { ETag = '' } = await insist(() => s3.send(new UploadPartCommand({ ...one, Body: a })));
    const { uploadId } = await insist(() => store.createUpload(CONTEXT, at, {}));
    const other = { uploadId, partNumber: 1 };
    await insist(() => store.putPart(CONTEXT, at, other, { body: sourceOf(b) }));
    const parts = [{ partNumber: 1, etag: md5Hex(b) }];
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    return {
      kind: 'complete',
      before: undefined,
      wanted: bodies,
      run: [
        () =>
          s3.send(new CompleteMultipartUploadCommand({ ...target(at), UploadId, MultipartUpload, IfNoneMatch: '*' })),
        () => store.completeUpload(CONTEXT, at, uploadId, { parts, conditions: { ifNoneMatch: '*' } }),
      ],
    };
  },
};

/** Through either proxy; undefined where there is nothing. */
async function shown({ s3, store }: Racers, at: ObjectRef): Promise<readonly [string | undefined, string | undefined]> {
  const fromS3 = async (): Promise<Buffer> => {
    const { Body } = await s3.send(new GetObjectCommand(target(at)));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  const fromStore = async (): Promise<Buffer> => readAll(await store.getObject(CONTEXT, at));
  const found: (string | undefined)[] = [];
  for (const read of [fromS3, fromStore]) {
    const body = await insist(async () => {
      try {
        return await read();
      } catch (error) {
        if ((await outcomeOf(() => Promise.reject(error))) === 'refused') return undefined;
        throw error;
      }
    });
    found.push(body?.toString());
  }
  return found as [string | undefined, string | undefined];
}

/** What is wrong with how the race went; and whether both were told for certain. */
async function judge(racers: Racers, at: ObjectRef, race: Race): Promise<{ wrong?: string; certain: boolean }> {
  const outcomes = await Promise.all(race.run.map(outcomeOf));
  const certain = !outcomes.includes('unknown');
  const won = outcomes.filter((one) => one === 'won').length;
  const where = `${race.kind} of ${at.container}/${at.object}: ${outcomes.join(', ')}`;
  if (won > 1 || (certain && won !== 1)) return { wrong: where, certain };
  const seen = await shown(racers, at);
  const allowed = won === 1 ? [race.wanted[outcomes.indexOf('won')]] : [race.before, ...race.wanted];
  const texts = allowed.map((body) => body?.toString());
  if (seen[0] !== seen[1] || !texts.includes(seen[0])) return { wrong: `${where}; shown: ${seen.join(', ')}`, certain };
  return { certain };
}

/** One zone after the other is killed, and comes back by itself. */
async function killZones(server: CrashServer, random: Random, until: () => boolean): Promise<number> {
  let kills = 0;
  while (!until()) {
    const zones = Object.keys(server.pids.zones);
    const zone = zones[random.below(zones.length)] as string;
    const pid = server.killZone(zone);
    kills++;
    while (server.pids.zones[zone] === pid) await sleep(20);
    await sleep(300 + random.below(500));
  }
  return kills;
}

t.test('of two conditional writers one wins, whatever dies', { skip: notProc }, async (t) => {
  t.comment(`seed ${SEED}`);
  const bench = new Bench();
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, processes: 'zones' });
  t.teardown(async () => {
    await server.killAll();
    bench.remove();
  });
  await server.start();
  const { s3: keys } = JSON.parse(readFileSync(path.join(bench.data, 'credentials.json'), 'utf8'));
  const credentials = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey };
  const { region } = keys;
  const s3 = new S3Client({ endpoint: server.url, region, forcePathStyle: true, maxAttempts: 1, credentials });
  const second = await openSecondProxy(bench.data);
  t.teardown(async () => {
    s3.destroy();
    await second.close();
  });
  for (const Bucket of ['race-plain', 'race-versions']) await s3.send(new CreateBucketCommand({ Bucket }));
  const Status = { Status: 'Enabled' as const };
  await s3.send(new PutBucketVersioningCommand({ Bucket: 'race-versions', VersioningConfiguration: Status }));

  const random = createSeededRandom(SEED);
  const racers: Racers = { s3, store: second.store, random };
  const endMs = performance.now() + RACE_MS;
  const isOver = (): boolean => performance.now() > endMs;
  const killing = killZones(server, createSeededRandom(SEED + 1), isOver);
  const wrong: string[] = [];
  const certain = new Map<string, number>();
  let rounds = 0;
  for (; !isOver() || rounds < 8; rounds++) {
    const [kind, prepare] = Object.entries(kinds)[rounds % 4] as [string, (setting: Setting) => Promise<Race>];
    const container = rounds % 8 < 4 ? 'race-plain' : 'race-versions';
    const at = { account: ACCOUNT, container, object: `${kind}-${rounds}` };
    const bodies = [Buffer.from(`first ${rounds}`), Buffer.from(`second ${rounds}`)] as const;
    const race = await prepare({ ...racers, at, bodies });
    const verdict = await judge(racers, at, race);
    if (verdict.wrong) wrong.push(verdict.wrong);
    const place = `${kind} in ${container}`;
    certain.set(place, (certain.get(place) ?? 0) + (verdict.certain ? 1 : 0));
  }
  t.comment(`${rounds} races, ${await killing} zones killed; certain: ${JSON.stringify([...certain])}`);
  t.same(wrong, []);
  t.equal(certain.size, 8);
  const sum = [...certain.values()].reduce((all, one) => all + one, 0);
  t.ok(sum > 0, `${sum} races in which both were answered for certain: one won each`);
});
