import t from 'tap';
import { rpcSuite } from '../../test/conformance/rpc.ts';
import { systemClock } from '../clock.ts';
import { createLocalPeer } from './local.ts';

t.setTimeout(60_000);

rpcSuite(t, {
  async start(handlers, options) {
    const peer = createLocalPeer('store', handlers, { clock: systemClock, ...options });
    return { peer, stop: () => peer.close() };
  },
});

t.test('values pass by reference, and bugs are shown to who asks', async (t) => {
  const bugs: unknown[] = [];
  const bug = new Error('planted');
  const handlers = {
    echo: (args: object) => ({ value: args }),
    bad: () => {
      throw bug;
    },
  };
  const peer = createLocalPeer('store', handlers, { clock: systemClock, onBug: (error) => void bugs.push(error) });
  const args = { data: Buffer.alloc(1) };
  t.equal((await peer.call('echo', args)).value, args);
  await t.rejects(peer.call('bad', null), { code: 'InternalError' });
  t.same(bugs, [bug]);
  await peer.close();
});
