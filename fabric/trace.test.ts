import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { createTrace } from './trace.ts';

t.test('a transaction is known to whatever it causes, and to nothing else', async (t) => {
  const trace = createTrace();
  const seen: (string | undefined)[] = [];
  const work = async (name: string): Promise<void> => {
    trace.name(name);
    await turn();
    seen.push(trace.id());
    await Promise.all([turn(), turn()]);
    seen.push(trace.id());
  };
  t.equal(trace.id(), undefined);
  await Promise.all([trace.run(undefined, () => work('one')), trace.run('unnamed', () => work('two'))]);
  t.same(seen.sort(), ['one', 'one', 'two', 'two']);
  trace.name('nobody');
  t.equal(trace.id(), undefined, 'outside there is nothing to name');
});

t.test('a stream is pulled on behalf of the transaction that opened it', async (t) => {
  const trace = createTrace();
  const seen: (string | undefined)[] = [];
  const source = {
    async next() {
      await turn();
      seen.push(trace.id());
      return undefined;
    },
    cancel: () => void seen.push(trace.id()),
    released: 0,
    release() {
      this.released++;
    },
  };
  const stream = trace.run('one', () => trace.follow(source));
  await trace.run('two', () => stream.next());
  await stream.next();
  stream.release?.(Buffer.alloc(1));
  stream.cancel();
  t.same(seen, ['one', 'one', 'one']);
  t.equal(source.released, 1);
  t.equal(trace.follow(source), source, 'outside of any it stays as it is');
});
