/**
 * The calls of object-server/contract.ts over the devices of one zone. Translates, decides nothing; what is known at once
 * is answered at once, without a promise.
 */

import { Fault } from '../fabric/errors.ts';
import type { CallContext, Handlers, Reply } from '../fabric/rpc/contract.ts';
import type { ObjectServiceCalls } from './contract.ts';
import type { Device } from './device.ts';
import { deviceFaults } from './faults.ts';

type Args<M extends keyof ObjectServiceCalls> = ObjectServiceCalls[M]['args'];
type Value<M extends keyof ObjectServiceCalls> = ObjectServiceCalls[M]['reply'];

/** Not a promise where the value is not one. */
function reply<M extends keyof ObjectServiceCalls>(value: Value<M> | Promise<Value<M>>): Reply | Promise<Reply> {
  return value instanceof Promise ? value.then((settled) => ({ value: settled })) : { value };
}

export function createObjectService(devices: ReadonlyMap<number, Device>): Handlers {
  const device = (id: number): Device => {
    const found = devices.get(id);
    if (!found) throw new Fault(deviceFaults.noSuchDevice, { device: id });
    return found;
  };
  return {
    apply: ({ device: id, mutations, ...context }: Args<'apply'>) =>
      device(id)
        .apply(mutations, context)
        .then((outcomes) => ({ value: { outcomes } satisfies Value<'apply'> })),
    read: ({ device: id, key, body }: Args<'read'>) => reply<'read'>(device(id).read(key, body)),
    check({ device: id, key }: Args<'check'>) {
      const ballot = device(id).check(key);
      return reply<'check'>(ballot instanceof Promise ? ballot.then((later) => ({ ballot: later })) : { ballot });
    },
    prepare: ({ device: id, key, ballot, body }: Args<'prepare'>) =>
      reply<'prepare'>(device(id).prepare(key, ballot, body)),
    scan: ({ device: id, start, end, limit }: Args<'scan'>) => reply<'scan'>(device(id).scan(start, end, limit)),
    async blobWrite({ device: id, key, handoffFor }: Args<'blobWrite'>, { upload }: CallContext) {
      if (!upload) throw new Fault(deviceFaults.noUpload, {}, 'blobWrite needs an upload stream');
      return { value: (await device(id).blobWrite(key, upload, handoffFor)) satisfies Value<'blobWrite'> };
    },
    async blobRead({ device: id, key, offset, length }: Args<'blobRead'>) {
      const { lengthBytes, stream } = await device(id).blobRead(key, offset, length);
      return { value: { lengthBytes } satisfies Value<'blobRead'>, download: stream };
    },
    feed({ device: id, after, limit, consumer }: Args<'feed'>) {
      const store = device(id);
      if (consumer !== undefined && store.cursor(consumer) !== after) store.setCursor(consumer, after);
      return reply<'feed'>(store.feed(after, limit));
    },
    unsettled: ({ device: id, olderThanMs, limit }: Args<'unsettled'>) =>
      reply<'unsettled'>({
        operations: device(id)
          .unsettled(olderThanMs, limit)
          .map(({ stamp, keys }) => ({ stamp, keys })),
      }),
    status: ({ device: id }: Args<'status'>) =>
      reply<'status'>({
        devices: (id === undefined ? [...devices.values()] : [device(id)]).map((one) => one.status()),
      }),
  } satisfies Record<string, (args: never, context: CallContext) => unknown> as Handlers;
}
