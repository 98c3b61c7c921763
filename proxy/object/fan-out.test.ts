import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { Fault } from '../../fabric/errors.ts';
import { createFanOut, LANE_CHUNKS_MAX } from './fan-out.ts';

const chunk = (n: number): [Buffer, Buffer] => [Buffer.of(n), Buffer.alloc(10, n)];

t.test('every lane sees every chunk, at its own pace, within its bound', async (t) => {
  const fanOut = createFanOut(systemClock, () => {});
  const [fast, slow] = [fanOut.lane(), fanOut.lane()];
  const seen: number[] = [];
  const readFast = (async () => {
    for (let head = await fast.next(); head; head = await fast.next()) {
      seen.push(head[0] as number);
      await fast.next();
    }
  })();
  let pushed = 0;
  const source = (async () => {
    for (let i = 0; i < LANE_CHUNKS_MAX + 2; i++) {
      await fanOut.push(...chunk(i));
      pushed++;
    }
    fanOut.end();
  })();
  await new Promise(setImmediate);
  t.equal(pushed, LANE_CHUNKS_MAX, 'the slow lane holds the source back');
  const late: number[] = [];
  for (let head = await slow.next(); head; head = await slow.next()) {
    late.push(head[0] as number);
    await slow.next();
  }
  await Promise.all([source, readFast]);
  t.same(late, [0, 1, 2, 3, 4, 5]);
  t.same(seen, late);
});

t.test('memory comes back when the last holder lets go', async (t) => {
  const back: Buffer[] = [];
  const fanOut = createFanOut(systemClock, (payload) => back.push(payload));
  const lanes = [fanOut.lane(), fanOut.lane()];
  const [head, payload] = chunk(1);
  fanOut.hold(payload);
  await fanOut.push(head, payload);
  for (const lane of lanes) {
    await lane.next();
    lane.release?.((await lane.next()) as Buffer);
  }
  t.same(back, [], 'the source still holds it');
  fanOut.release(payload);
  t.same(back, [payload]);
});

t.test('a lane that leaves frees the source; one that fails tells its reader', async (t) => {
  const fanOut = createFanOut(systemClock, () => {});
  const [gone, stays] = [fanOut.lane(), fanOut.lane()];
  gone.cancel();
  t.equal(await fanOut.push(...chunk(1)), 1);
  fanOut.fail(new Fault('IncompleteBody'));
  await t.rejects(stays.next(), { code: 'IncompleteBody' });
  t.equal(await fanOut.push(...chunk(2)), 0);
});
