/** Rows from object registers: whatever was lost or wrong, the listing ends equal to the objects. */
import t from 'tap';
import { createSeededRandom } from '../fabric/random.ts';
import { makeStamp, type Stamp } from '../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headBallot,
  headKey,
  headMeta,
  isTombstone,
  KIND,
  type Mutation,
  makeKey,
  type RegisterView,
} from '../object-server/contract.ts';
import { rebuildRows, removeStrayRows } from './rebuild.ts';
import { encodeRow } from './row-format.ts';
import { CONTAINER_HASH, INCARNATION, PREFIX, rowHead, TestDevice } from './test-device.ts';
import { Totals } from './totals.ts';

const seed = Number(process.env['SEED'] ?? 20260604);

/** An object register whose meta is only its name and size: what it holds is the describer's business. */
function objectHead(name: string, ticks: number, deleted = false): Buffer {
  const stamp = makeStamp(ticks, 1);
  const key = makeKey(CONTAINER_HASH, INCARNATION, KIND.object, name);
  const meta = Buffer.from(JSON.stringify({ name, sizeBytes: ticks }));
  return encodeHead({ key, ballot: stamp, stamp, meta, flags: deleted ? FLAG_TOMBSTONE : 0 });
}

function describe(head: Buffer): { name: string; row: Buffer | undefined } {
  const { name, sizeBytes } = JSON.parse(headMeta(head).toString()) as { name: string; sizeBytes: number };
  const row = encodeRow({ sizeBytes, etag: 'd41d8cd98f00b204e9800998ecf8427e', contentType: 'text/plain' });
  return { name, row: isTombstone(head) ? undefined : row };
}

function* rowsOf(store: TestDevice): Generator<RegisterView & { key: string }> {
  for (const [key, view] of [...store.views]) yield { ...view, key };
}

t.test(`a listing with lost, stale, wrong and stray rows is rebuilt (seed ${seed})`, async (t) => {
  const random = createSeededRandom(seed);
  for (let round = 0; round < 40; round++) {
    const totals = new Totals();
    const [store, right] = [new TestDevice(totals), new TestDevice()];
    const heads: Buffer[] = [];
    const newest = new Map<string, Buffer>();
    for (let tick = 1; tick <= 100; tick++) {
      const name = `n${random.below(30)}`;
      const deleted = random.below(3) === 0;
      const object = objectHead(name, tick, deleted);
      heads.push(object);
      newest.set(name, object);
      right.apply(rowHead({ name, ticks: tick, deleted }));
      const fate = random.below(4);
      if (fate === 0) continue;
      store.apply(rowHead({ name, ticks: tick, deleted, sizeBytes: fate === 1 ? 12345 : tick }));
    }
    for (let i = 0; i < 5; i++) store.apply(rowHead({ name: `stray${i}`, ticks: 3 }));
    let ticks = 1000;
    const restamp = (): Stamp => makeStamp(ticks++, 2);
    const options = { rowPrefix: PREFIX, held: (key: string) => store.get(key), describe, restamp };
    const order = random.below(2) === 0 ? heads : [...newest.values()];
    for (const mutation of rebuildRows(order.toReversed(), options)) store.apply(mutation.head);
    const strays: Mutation[] = [];
    const lookUp = async (name: string): Promise<Buffer | undefined> => newest.get(name);
    const bound = { rowPrefix: PREFIX, restamp, settledBelow: makeStamp(1000, 0) };
    for await (const mutation of removeStrayRows(rowsOf(store), lookUp, bound)) strays.push(mutation);
    for (const { head } of strays) store.apply(head);
    t.equal(strays.length, 5);
    const listed = (device: TestDevice): string[] =>
      [...device.views]
        .filter(([, view]) => !view.tombstone)
        .map(([key, view]) => `${key} ${headMeta(view.head).toString('hex')}`);
    t.strictSame(listed(store).sort(), listed(right).sort(), JSON.stringify({ seed, round }));
    t.strictSame([...rebuildRows(newest.values(), { ...options })], [], 'a second run finds nothing');
  }
});

t.test('a rebuilt row is guarded by its container and carries its object’s stamp', async (t) => {
  const options = { rowPrefix: PREFIX, held: () => undefined, describe, restamp: () => makeStamp(9, 9) };
  const [mutation] = [...rebuildRows([objectHead('é', 7), objectHead('gone', 8, true)], options)];
  t.equal(mutation?.guardKey, makeKey(CONTAINER_HASH, undefined, KIND.container));
  t.equal(mutation?.guardStamp, INCARNATION);
  t.equal(headBallot(mutation?.head as Buffer), makeStamp(7, 1));
  t.equal(headKey(mutation?.head as Buffer), `${PREFIX}\xc3\xa9`);
});

t.test('a live row that may still be under way is left alone', async (t) => {
  const store = new TestDevice();
  store.apply(rowHead({ name: 'new', ticks: 50 }));
  const options = { rowPrefix: PREFIX, restamp: () => makeStamp(60, 1), settledBelow: makeStamp(50, 0) };
  for await (const mutation of removeStrayRows(rowsOf(store), async () => undefined, options))
    t.fail(headKey(mutation.head));
});
