/** The S3 API on node:http over the store in memory. */
import t from 'tap';
import { createMemoryStore } from '../../control/store/open.ts';
import { nodeEngine } from '../../fabric/http/node-engine.ts';
import { openIamDirectory } from '../../proxy/iam/directory.ts';
import { createS3Handler } from '../../proxy/s3/handler.ts';
import { createMemoryWorld, MEMBER, OWNER, STRANGER } from '../memory-world.ts';
import type { Certificate, S3Server } from './s3-rig.ts';

export async function start(tls: Certificate | undefined): Promise<S3Server> {
  const errors: object[] = [];
  const memory = createMemoryWorld(errors);
  const iam = await openIamDirectory({
    ...{ store: createMemoryStore(), clock: memory.clock, random: memory.random, secret: memory.tokenSecret },
    onError: (error) => void errors.push({ error }),
  });
  const world = { ...memory, iam: async () => iam, users: iam.users(memory.users) };
  const options = { host: '127.0.0.1', port: 0, ...(tls === undefined ? {} : { tls }) };
  const onError = (error: unknown): void => void errors.push({ error });
  const listener = await nodeEngine(createS3Handler(world), options, { clock: world.clock, onError });
  return {
    host: '127.0.0.1',
    port: listener.port,
    region: world.region,
    owner: OWNER,
    stranger: STRANGER,
    ids: { owner: 'AUTH_test', stranger: 'AUTH_other', member: 'test:member' },
    member: MEMBER,
    close: async () => {
      iam.stop();
      await listener.drain(1000);
      t.same(errors, [], 'nothing failed unexpectedly');
    },
  };
}
