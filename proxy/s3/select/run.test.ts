// A query over a body that fails, that is left, and over more packed ones than are read at a time.
import t from 'tap';
import { systemClock } from '../../../fabric/clock.ts';
import { Fault, isFault } from '../../../fabric/errors.ts';
import type { HttpBodyStream } from '../../../fabric/http/contract.ts';
import { parseXml } from '../../../fabric/xml.ts';
import { type Body, type OpenObject, storeFaults } from '../../object/contract.ts';
import { decodeMessages } from './event-stream-format.ts';
import { prepare, start } from './run.ts';

/** `hello,world\n` 200,000 times. */
const PACKED = Buffer.from(
  'QlpoOTFBWSZTWf4ukVYCSezRgAAQAAQGRJCAIACQIMmIE1VNG0TUQUpWRBSlZEFKVggpStfRBSlciClK4IKUrcIKUrsQUpW4gpSuxBSlfmKCskymsp4W7E4CSeyjAAAgAAgMiSEAQAEgQZMQJqqGaJ7EFKVkQUpWCClKyIKUrUQUpXBBSlciClK1RBSldEFKVggpSuiClK/MUFZJlNZHiGInQEk/VGAABAABAZEkIAgAIIKVEbSApVGA2SSgsokoLKJKC8yiSgtUSUF2iSgu0SUF6okoL6iSgsokoLtElBeF3JFOFCQeI0hiAA==',
  'base64',
);
const BZIPS_MAX = 4;

const documentOf = (sql: string, compression = 'NONE'): Buffer =>
  Buffer.from(
    `<SelectRequest><Expression>${sql}</Expression><ExpressionType>SQL</ExpressionType><InputSerialization><CompressionType>${compression}</CompressionType><CSV/></InputSerialization><OutputSerialization><CSV/></OutputSerialization></SelectRequest>`,
  );

/** An object whose bytes come from `next`. */
function objectOf(sizeBytes: number, next: Body['next'], onCancel = (): void => {}): OpenObject {
  const body: Body = { lengthBytes: sizeBytes, next, cancel: onCancel };
  return { info: { sizeBytes } as OpenObject['info'], open: () => body };
}

function once(bytes: Buffer): Body['next'] {
  let left: Buffer | undefined = bytes;
  return async () => {
    const piece = left;
    left = undefined;
    return piece;
  };
}

async function read(stream: HttpBodyStream): Promise<string[]> {
  const pieces: Uint8Array[] = [];
  for (let piece = await stream.next(); piece; piece = await stream.next()) pieces.push(piece);
  const messages = decodeMessages(Buffer.concat(pieces)).map(({ headers }) => new Map(headers));
  return messages.map((headers) => headers.get(':event-type') ?? headers.get(':error-code') ?? '');
}

t.test('a store that fails', async (t) => {
  const told: unknown[] = [];
  const world = { clock: systemClock, onError: (error: unknown) => void told.push(error) };
  const run = (pieces: number, failure: Error): Promise<string[]> => {
    let left = pieces;
    const next: Body['next'] = async () => {
      if (left-- === 0) throw failure;
      return Buffer.from('a,b\n'.repeat(50_000));
    };
    const object = objectOf(1e9, next);
    return start(object, prepare(parseXml(documentOf('SELECT * FROM S3Object'))), world).then(read);
  };
  await t.rejects(run(0, new Fault(storeFaults.dataLost)), { code: storeFaults.dataLost }, 'before anything was sent');
  t.same(told, [], 'and is for the answer to tell');
  const lost = await run(2, new Fault(storeFaults.dataLost));
  t.same([lost[0], lost.at(-1)], ['Records', 'InternalError'], 'on the way');
  t.equal(told.length, 1, 'the operator hears of it');
  t.equal((await run(2, new TypeError('a bug'))).at(-1), 'InternalError');
  t.equal(told.length, 2);
});

t.test('left in the middle', async (t) => {
  let cancelled = 0;
  const endless = objectOf(
    1e9,
    async () => Buffer.from('a,b\n'.repeat(20_000)),
    () => void cancelled++,
  );
  const world = { clock: systemClock, onError: (error: unknown) => void t.fail(String(error)) };
  for (let i = 0; i < 40; i++) {
    const stream = await start(endless, prepare(parseXml(documentOf('SELECT * FROM S3Object'))), world);
    await stream.next();
    // Half of them while a piece is asked for.
    if (i % 2 === 0) void stream.next().catch(() => {});
    stream.cancel();
  }
  t.ok(cancelled >= 40, 'and no place was lost');
});

t.test('bzip2', async (t) => {
  const world = { clock: systemClock, onError: (error: unknown) => void t.fail(String(error)) };
  const one = async (): Promise<string> => {
    const prepared = prepare(parseXml(documentOf('SELECT COUNT(*) FROM S3Object', 'BZIP2')));
    try {
      return (await read(await start(objectOf(PACKED.length, once(PACKED)), prepared, world))).join(' ');
    } catch (error) {
      return isFault(error) ? error.code : String(error);
    }
  };
  const all = await Promise.all(Array.from({ length: BZIPS_MAX + 2 }, one));
  t.same(all.slice(BZIPS_MAX), ['Busy', 'Busy']);
  t.same(new Set(all.slice(0, BZIPS_MAX)), new Set(['Cont Records Stats End']));
  t.equal(await one(), 'Cont Records Stats End', 'places are free again');
});
