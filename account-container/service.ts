/**
 * The calls a zone answers about listings. An answer is computed at once, so that page and totals are one moment's state,
 * and leaves only when everything it shows is durable; it never waits when nothing is outstanding.
 */
import { Fault } from '../fabric/errors.ts';
import type { CallContext, Handlers, Reply } from '../fabric/rpc/contract.ts';
import type { DeviceStore } from '../object-server/contract.ts';
import { type ContainerServiceCalls, containerFaults } from './contract.ts';
import { listPage } from './listing.ts';
import type { Totals } from './totals.ts';

export interface ListedDevice {
  readonly store: DeviceStore;
  readonly totals: Totals;
}

type Args<Method extends keyof ContainerServiceCalls> = ContainerServiceCalls[Method]['args'];

/** `devices` is read at every call: a device may come and go. */
export function createContainerService(devices: ReadonlyMap<number, ListedDevice>): Handlers {
  const find = (device: number): ListedDevice => {
    const found = devices.get(device);
    if (!found) throw new Fault(containerFaults.noSuchDevice, { device });
    return found;
  };
  const list =
    (tombstones: boolean) =>
    (args: Args<'list'>, _context: CallContext): Reply | Promise<Reply> => {
      const { store, totals } = find(args.device);
      return whenDurable(store, listPage(store, totals, args, { tombstones }));
    };
  return {
    list: list(false),
    listAll: list(true),
    totals: (args: Args<'totals'>): Reply | Promise<Reply> => {
      const { store, totals } = find(args.device);
      return whenDurable(store, totals.read(args.rowPrefix, store));
    },
  };
}

function whenDurable(store: DeviceStore, value: unknown): Reply | Promise<Reply> {
  const durable = store.durable();
  return durable ? durable.then(() => ({ value })) : { value };
}
