/** A server in a process of its own, for tests that kill or stop it: argv is the endpoint as JSON; says when it listens. */
import { systemClock } from '../../fabric/clock.ts';
import type { Endpoint } from '../../fabric/net.ts';
import { systemRandom } from '../../fabric/random.ts';
import type { Reply } from '../../fabric/rpc/contract.ts';
import { listenRpc } from '../../fabric/rpc/server.ts';
import { drain, endlessSource } from './rpc.ts';

const endpoint = JSON.parse(process.argv[2] ?? '{}') as Endpoint;
const listener = await listenRpc(
  {
    echo: (args: unknown) => ({ value: args }),
    never: () => new Promise<Reply>(() => {}),
    down: () => ({ value: null, download: endlessSource() }),
    up: async (_args: null, { upload }) => ({ value: await drain(upload) }),
  },
  { name: 'store', clusterId: 'cluster', secret: 'secret', random: systemRandom, clock: systemClock, endpoint },
);
process.send?.(listener.endpoint);
process.once('disconnect', () => process.exit(0));
