import t from 'tap';
import { Fault } from '../../fabric/errors.ts';
import { NO_STAMP } from '../../fabric/stamp.ts';
import type { Body, ObjectInfo, OpenObject, SloSegment } from './contract.ts';
import { storeFaults } from './contract.ts';
import { bufferBody, openSlo, SLO_DEPTH_MAX, sloSize } from './slo.ts';

const OBJECTS: Readonly<Record<string, string>> = { '/c/digits': '0123456789', '/c/letters': 'abcdef' };

function open(path: string, opened: string[] = []): OpenObject {
  const bytes = Buffer.from(OBJECTS[path] ?? '');
  if (!(path in OBJECTS)) throw new Fault(storeFaults.noSuchObject);
  const info = { sizeBytes: bytes.length, etag: `etag of ${path}` } as ObjectInfo;
  return {
    info,
    open(offset, length) {
      opened.push(`${path} ${offset}+${length}`);
      return bufferBody(bytes.subarray(offset, offset + length));
    },
  };
}

function segment(path: string, extra: Partial<SloSegment> = {}): SloSegment {
  return { path, etag: `etag of ${path}`, sizeBytes: OBJECTS[path]?.length ?? 1, ...extra };
}

const SEGMENTS = [
  segment('/c/digits', { range: [2, 4] }),
  { path: '', etag: '', sizeBytes: 3, data: Buffer.from('-|-').toString('base64') },
  segment('/c/letters'),
];
const WHOLE = '234-|-abcdef';

async function drain(body: Body): Promise<string> {
  let text = '';
  for (let piece = await body.next(); piece; piece = await body.next()) text += Buffer.from(piece).toString();
  return text;
}

t.test('every part of the whole is what it should be', async (t) => {
  t.equal(sloSize(SEGMENTS), WHOLE.length);
  const read = async (path: string): Promise<OpenObject> => open(path);
  for (let from = 0; from <= WHOLE.length; from++) {
    for (let to = from; to <= WHOLE.length + 1; to++) {
      const body = openSlo({ read, segments: SEGMENTS }, from, to - from);
      const wanted = WHOLE.slice(from, to);
      t.equal(body.lengthBytes, wanted.length);
      t.equal(await drain(body), wanted, `${from}..${to}`);
    }
  }
});

t.test('only what is wanted is opened', async (t) => {
  const opened: string[] = [];
  const read = async (path: string): Promise<OpenObject> => open(path, opened);
  await drain(openSlo({ read, segments: SEGMENTS }, 1, 1));
  t.same(opened, ['/c/digits 3+1']);
});

t.test('a segment that is gone or has changed breaks the body', async (t) => {
  const read = async (path: string): Promise<OpenObject> => open(path);
  const broken = { code: storeFaults.brokenManifest };
  for (const bad of [
    segment('/c/absent'),
    segment('/c/letters', { etag: 'other' }),
    segment('/c/letters', { sizeBytes: 7 }),
  ]) {
    const body = openSlo({ read, segments: [segment('/c/digits'), bad] }, 0, 16);
    t.equal(Buffer.from((await body.next()) ?? '').toString(), '0123456789');
    await t.rejects(body.next(), broken);
  }
  const down = async (): Promise<OpenObject> => {
    throw new Fault(storeFaults.quorumUnavailable);
  };
  const body = openSlo({ read: down, segments: [segment('/c/digits')] }, 0, 10);
  await t.rejects(body.next(), { code: storeFaults.quorumUnavailable }, 'no quorum is no broken manifest');
});

t.test('a manifest inside itself ends', async (t) => {
  let depthMax = 0;
  const loop = segment('/c/loop', { sizeBytes: 5 });
  const read = async (_path: string, depth: number): Promise<OpenObject> => {
    depthMax = Math.max(depth, depthMax);
    const info = { sizeBytes: 5, etag: loop.etag, stamp: NO_STAMP } as ObjectInfo;
    return { info, open: (offset, length) => openSlo({ read, segments: [loop], depth }, offset, length) };
  };
  await t.rejects(openSlo({ read, segments: [loop] }, 0, 5).next(), { code: storeFaults.brokenManifest });
  t.equal(depthMax, SLO_DEPTH_MAX);
});

t.test('cancel ends the open segment, also one that is just being opened', async (t) => {
  let cancelled = 0;
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const read = async (path: string): Promise<OpenObject> => {
    await gate;
    const object = open(path);
    const counted = (body: Body): Body => ({ ...body, cancel: () => void cancelled++ });
    return { info: object.info, open: (offset, length) => counted(object.open(offset, length)) };
  };
  const body = openSlo({ read, segments: [segment('/c/letters')] }, 0, 6);
  const pending = body.next();
  body.cancel();
  release();
  t.equal(await pending, undefined);
  t.equal(cancelled, 1);
  const second = openSlo({ read, segments: [segment('/c/letters')] }, 0, 6);
  await second.next();
  second.cancel();
  t.equal(cancelled, 2);
});
