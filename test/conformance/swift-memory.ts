/** A server for the Swift suite: node:http over the store in memory. Fails `t` when the handler met a bug. */
import type { Test } from 'tap';
import { clusterInfo } from '../../cli/cluster/info.ts';
import { nodeEngine } from '../../fabric/http/node-engine.ts';
import { createSwiftHandler } from '../../proxy/swift/handler.ts';
import type { SwiftOptions } from '../../proxy/swift-options.ts';
import { createMemoryWorld, OWNER, RESELLER, SERVICE, STRANGER } from '../memory-world.ts';
import { certificate } from './http-rig.ts';
import type { SwiftServer } from './swift-rig.ts';

/** `swift`: as an operator would set it. */
export async function startInMemory(t: Test, tls: boolean, swift?: SwiftOptions): Promise<SwiftServer> {
  const errors: object[] = [];
  const plain = createMemoryWorld(errors);
  const { region } = plain;
  const shown = { version: 'test', region, urlDigests: ['sha256'] };
  const world = swift ? { ...plain, swift, info: clusterInfo({ ...shown, swift }) } : plain;
  const options = { host: '127.0.0.1', port: 0, ...(tls && { tls: certificate() }) };
  const listener = await nodeEngine(createSwiftHandler(world), options, { clock: world.clock, onError: () => {} });
  return {
    host: '127.0.0.1',
    port: listener.port,
    tls,
    owner: { user: `${OWNER.account}:${OWNER.name}`, key: OWNER.key },
    stranger: { user: `${STRANGER.account}:${STRANGER.name}`, key: STRANGER.key },
    reseller: { user: `${RESELLER.account}:${RESELLER.name}`, key: RESELLER.key },
    service: { user: `${SERVICE.account}:${SERVICE.name}`, key: SERVICE.key },
    close: async () => {
      await listener.drain(1000);
      t.same(errors, [], 'nothing failed unexpectedly');
    },
  };
}
