/** The service's calls through an in-process peer: durable state only, one moment's page and totals, unknown devices. */
import t from 'tap';
import type { CallContext, Handlers, Reply } from '../fabric/rpc/contract.ts';
import { type ContainerTotals, containerFaults, type ListPage } from './contract.ts';
import { createContainerService } from './service.ts';
import { listArgs, PREFIX, rowHead, TestDevice } from './test-device.ts';
import { Totals } from './totals.ts';

function world(): { store: TestDevice; service: Handlers } {
  const totals = new Totals();
  const store = new TestDevice(totals);
  return { store, service: createContainerService(new Map([[1, { store, totals }]])) };
}

function call(service: Handlers, method: string, args: unknown): Promise<Reply> | Reply {
  const context: CallContext = { peerName: 'test', deadlineAtMs: Number.POSITIVE_INFINITY };
  const handler = service[method] as (args: unknown, context: CallContext) => Promise<Reply> | Reply;
  return handler(args, context);
}

t.test('answers at once when everything is durable', async (t) => {
  const { store, service } = world();
  store.apply(rowHead({ name: 'a', ticks: 1, sizeBytes: 10 }));
  store.apply(rowHead({ name: 'b', ticks: 2, deleted: true }));
  const reply = call(service, 'list', listArgs()) as Reply;
  const page = reply.value as ListPage;
  t.strictSame([page.entries.map(({ name }) => name), page.totals.bytesUsed], [['a'], 10]);
  const all = (call(service, 'listAll', listArgs()) as Reply).value as ListPage;
  t.strictSame(
    all.entries.map(({ name }) => name),
    ['a', 'b'],
  );
  const totals = (call(service, 'totals', { device: 1, rowPrefix: PREFIX }) as Reply).value as ContainerTotals;
  t.strictSame(totals, page.totals);
});

t.test('holds an answer back until what it shows is durable, and shows nothing later', async (t) => {
  const { store, service } = world();
  let synced = (): void => {};
  store.apply(rowHead({ name: 'a', ticks: 1 }));
  store.pending = new Promise((resolve) => {
    synced = resolve;
  });
  let answered = false;
  const answer = Promise.resolve(call(service, 'list', listArgs())).then((reply) => {
    answered = true;
    return reply.value as ListPage;
  });
  store.apply(rowHead({ name: 'b', ticks: 2 }));
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(answered);
  synced();
  t.strictSame(
    (await answer).entries.map(({ name }) => name),
    ['a'],
  );
});

t.test('an unknown device is a fault', async (t) => {
  const { service } = world();
  t.throws(() => call(service, 'list', listArgs({ device: 7 })), { code: containerFaults.noSuchDevice });
});
