import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stayAlive, systemClock } from '../../fabric/clock.ts';
import { systemRandom } from '../../fabric/random.ts';
import { type ControlStore, defineTable } from '../contract.ts';
import { createMemoryStore, openLmdbStore } from '../store/open.ts';
import { type AnyTaskKind, type Task, type TaskKind, type TaskStep, taskFaults } from './contract.ts';
import { addTask, getTask, listActive, listByResource, requestCancel, TASKS } from './task-rows.ts';
import { TaskRunner } from './task-runner.ts';

const THINGS = defineTable<{ state: string; parts: string[] }>('test.things');
const world = { clock: systemClock, random: systemRandom };
let awake = stayAlive();
awake.cancel();
t.beforeEach(() => {
  awake = stayAlive();
});
t.afterEach(() => awake.cancel());

/** Makes a thing of two parts. What it does outside of the store is `made`. */
function makeKind(afterCrash: 'resume' | 'fail', made: Set<string>): TaskKind<{ id: string }, string[]> {
  return {
    name: 'test.make',
    afterCrash,
    firstData: [],
    steps: [
      {
        name: 'first',
        async run({ task, save }) {
          made.add(`${task.input.id} first`);
          await save(['begun']);
          return { data: ['first'] };
        },
      },
      {
        name: 'second',
        async run({ task }) {
          made.add(`${task.input.id} second`);
          return {
            data: [...task.data, 'second'],
            commit: async (tx) => {
              const thing = await tx.get(THINGS, task.input.id);
              if (thing) tx.put(THINGS, task.input.id, { ...thing, parts: [...task.data, 'second'] });
            },
          };
        },
      },
    ],
    async cleanup({ task }) {
      for (const part of ['first', 'second']) made.delete(`${task.input.id} ${part}`);
    },
    async settle(tx, task, ending) {
      const thing = await tx.get(THINGS, task.input.id);
      if (thing) tx.put(THINGS, task.input.id, { ...thing, state: ending === 'done' ? 'available' : 'error' });
    },
  };
}

function begin(store: ControlStore, id: string, kind = 'test.make'): Promise<string> {
  return store.write(async (tx) => {
    tx.put(THINGS, id, { state: 'creating', parts: [] });
    return addTask(tx, { kind, input: { id }, resource: `thing/${id}` }, world);
  });
}

interface RunnerOptions {
  readonly holder?: string;
  readonly leaseMs?: number;
  readonly errors?: unknown[];
}

function startRunner(
  store: ControlStore,
  kinds: AnyTaskKind[],
  { holder = 'me', leaseMs, errors = [] }: RunnerOptions = {},
): TaskRunner {
  const onError = (error: unknown): void => void errors.push(error);
  const lease = leaseMs === undefined ? {} : { leaseMs };
  const runner = new TaskRunner({ store, clock: systemClock, holder, kinds, onError, ...lease });
  runner.start();
  return runner;
}

async function until(
  store: ControlStore,
  id: string,
  states: readonly string[] = ['done', 'failed', 'cancelled'],
): Promise<Task> {
  for (let revision = 0; ; revision = await store.waitForChange(revision, 1000)) {
    const task = await store.read((tx) => getTask(tx, id));
    if (task && states.includes(task.state)) return task;
  }
}

const thing = (store: ControlStore, id: string): Promise<{ state: string; parts: string[] } | undefined> =>
  store.read((tx) => tx.get(THINGS, id));

t.test('a task goes through its steps, and its thing with it', { timeout: 30_000 }, async (t) => {
  const store = createMemoryStore();
  const made = new Set<string>();
  const runner = startRunner(store, [makeKind('resume', made)]);
  const id = await begin(store, 'a');
  const task = await until(store, id);
  t.match(task, { state: 'done', stepsDone: 2, data: ['first', 'second'], progress: 1 });
  t.same(await thing(store, 'a'), { state: 'available', parts: ['first', 'second'] });
  t.same(
    (await store.read((tx) => listByResource(tx, 'thing/a'))).map((one) => one.id),
    [id],
  );
  t.same(await store.read(listActive), []);
  t.equal(await store.write((tx) => requestCancel(tx, id)), false);
  const ids = await Promise.all(Array.from({ length: 100 }, (_, i) => begin(store, `many ${i}`)));
  for (const one of ids) t.equal((await until(store, one)).state, 'done');
  await runner.close();
  await store.close();
});

/** A store of a process that dies at its n-th write: before it reaches the disk, or just after. */
function dyingStore(
  store: ControlStore,
  dieAt: number,
  when: 'before' | 'after',
): { store: ControlStore; died: Promise<void>; spare: () => void } {
  let n = dieAt;
  let writes = 0;
  let die = (): void => {};
  const died = new Promise<void>((resolve) => {
    die = resolve;
  });
  const never = (): Promise<never> => {
    die();
    return new Promise<never>(() => {});
  };
  const mortal = async <T>(run: () => Promise<T>): Promise<T> => {
    const mine = ++writes;
    if (mine > n || (mine === n && when === 'before')) return never();
    const value = await run();
    return mine === n || writes > n ? never() : value;
  };
  return {
    died,
    spare: () => {
      n = Infinity;
    },
    store: {
      read: (body) => (writes >= n ? never() : store.read(body)),
      write: (body, options) => mortal(() => store.write(body, options)),
      lease: (...all) => mortal(() => store.lease(...all)),
      renew: (...all) => mortal(() => store.renew(...all)),
      release: (lease) => mortal(() => store.release(lease)),
      revision: () => (writes >= n ? never() : store.revision()),
      changes: (options) => store.changes(options),
      waitForChange: (...all) => (writes >= n ? never() : store.waitForChange(...all)),
      close: async () => {},
    },
  };
}

for (const afterCrash of ['resume', 'fail'] as const) {
  t.test(`death at every write, kinds that ${afterCrash}`, { timeout: 60_000 }, async (t) => {
    let died = 0;
    let failed = 0;
    for (let n = 1; ; n++) {
      let outcomes = 0;
      for (const when of ['before', 'after'] as const) {
        const store = createMemoryStore();
        const made = new Set<string>();
        const kind = makeKind(afterCrash, made);
        const mortal = dyingStore(store, n, when);
        const first = startRunner(mortal.store, [kind]);
        const id = await begin(store, 'x');
        const end = await Promise.race([mortal.died.then(() => 'died'), until(store, id).then(() => 'ended')]);
        if (end === 'died') outcomes++;
        else {
          mortal.spare();
          await first.close();
        }
        const second = startRunner(store, [kind]);
        const task = await until(store, id);
        const x = await thing(store, 'x');
        const name = `write ${n} ${when}: ${task.state}`;
        if (task.state === 'done') {
          t.same([x, made.size], [{ state: 'available', parts: ['first', 'second'] }, 2], name);
        } else {
          t.same([x?.state, made.size, task.error?.code], ['error', 0, taskFaults.interrupted], name);
          t.equal(afterCrash, 'fail', 'only such kinds fail');
          failed++;
        }
        t.same(await store.read(listActive), []);
        await second.close();
        await store.close();
      }
      died += outcomes;
      if (outcomes === 0) break;
    }
    t.ok(died >= 8, `${died} deaths`);
    if (afterCrash === 'fail') t.ok(failed >= 4, `${failed} failed`);
  });
}

t.test('failures: cleaned up, settled, told', { timeout: 30_000 }, async (t) => {
  const store = createMemoryStore();
  const errors: unknown[] = [];
  const made = new Set<string>(['f second']);
  let tries = 0;
  const base = makeKind('resume', made);
  const failing: AnyTaskKind = {
    ...base,
    steps: [
      base.steps[0] as TaskStep<{ id: string }, string[]>,
      {
        name: 'throws',
        retries: 1,
        run: async () => {
          tries++;
          throw new Error('secret detail');
        },
      },
    ],
  };
  const unsettled: AnyTaskKind = {
    ...base,
    name: 'test.unsettled',
    settle: () => {
      throw new Error('settle is broken');
    },
  };
  const runner = startRunner(store, [failing, unsettled], { errors });
  const task = await until(store, await begin(store, 'f'));
  t.match(task, { state: 'failed', error: { code: 'InternalError', message: 'internal error' }, stepsDone: 1 });
  t.equal(tries, 2);
  t.equal(made.size, 0, 'cleaned up');
  t.equal((await thing(store, 'f'))?.state, 'error');
  t.match(errors, [{ message: 'secret detail' }]);
  t.equal((await until(store, await begin(store, 'u', 'test.unsettled'))).state, 'failed', 'even so it ends');
  await runner.close();
  await store.close();
});

t.test('cancel, stall, poison', { timeout: 60_000 }, async (t) => {
  const store = createMemoryStore();
  const made = new Set<string>();
  const waiting: AnyTaskKind = {
    ...makeKind('resume', made),
    name: 'test.waiting',
    steps: [
      {
        name: 'waits',
        run: ({ signal }) => new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason))),
      },
    ],
  };
  const stalling: AnyTaskKind = {
    ...waiting,
    name: 'test.stalling',
    steps: [{ ...waiting.steps[0], stallMs: 50 }],
  } as AnyTaskKind;
  const queued = await begin(store, 'q', 'test.waiting');
  t.equal(await store.write((tx) => requestCancel(tx, queued)), true);
  const runner = startRunner(store, [waiting, stalling]);
  t.match(await until(store, queued), { state: 'cancelled', stepsDone: 0 });
  const running = await begin(store, 'r', 'test.waiting');
  await until(store, running, ['running']);
  await store.write((tx) => requestCancel(tx, running));
  t.match(await until(store, running), { state: 'cancelled', error: { code: taskFaults.cancelled } });
  t.equal((await thing(store, 'r'))?.state, 'error');
  const stalled = await until(store, await begin(store, 's', 'test.stalling'));
  t.match(stalled, { state: 'failed', error: { code: taskFaults.stalled } });
  const poisoned = await begin(store, 'p', 'test.waiting');
  await until(store, poisoned, ['running']);
  await runner.close();
  t.equal((await store.read((tx) => getTask(tx, poisoned)))?.attempts, 0, 'closing is not a death');
  await store.write(async (tx) => {
    const task = await getTask(tx, poisoned);
    if (task) tx.put(TASKS, poisoned, { ...task, attempts: 5 });
  });
  const next = startRunner(store, [waiting]);
  t.match(await until(store, poisoned), { state: 'failed', error: { code: taskFaults.poisoned } });
  await next.close();
  await store.close();
});

t.test('two owners: one runs it, the other takes over when the lease runs out', { timeout: 60_000 }, async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'needletail-tasks-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  const store = await openLmdbStore({ path, clock: systemClock });
  const runs: string[] = [];
  const kindOf = (who: string): AnyTaskKind => ({
    ...makeKind('resume', new Set()),
    concurrency: 3,
    steps: [
      {
        name: 'only',
        run: async ({ task }) => {
          runs.push(`${who} ${(task.input as { id: string }).id}`);
          await systemClock.sleep(5);
        },
      },
    ],
  });
  const a = startRunner(store, [kindOf('a')], { holder: 'a' });
  const b = startRunner(store, [kindOf('b')], { holder: 'b' });
  const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => begin(store, `two ${i}`)));
  for (const id of ids) t.equal((await until(store, id)).state, 'done');
  t.equal(runs.length, 20, 'each once');
  await a.close();
  await b.close();
  await takesOver(t, store, kindOf('heir'));
  await fencesOff(t, store);
  await store.close();
});

async function takesOver(t: Test, store: ControlStore, kind: AnyTaskKind): Promise<void> {
  const mortal = dyingStore(store, 2, 'after');
  startRunner(mortal.store, [kind], { holder: 'dies', leaseMs: 300 });
  const id = await begin(store, 'orphan');
  await mortal.died;
  const heir = startRunner(store, [kind], { holder: 'heir', leaseMs: 300 });
  t.equal((await until(store, id)).state, 'done');
  await heir.close();
}

/** An owner that was only slow, and comes back when its task is another's. */
async function fencesOff(t: Test, store: ControlStore): Promise<void> {
  let wake = (): void => {};
  const slept = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const kindOf = (who: string, wait: Promise<void>): AnyTaskKind => ({
    ...makeKind('resume', new Set()),
    steps: [{ name: 'only', run: () => wait.then(() => ({ data: [who] })) }],
    settle: (tx) => tx.put(THINGS, 'fenced', { state: who, parts: [] }),
  });
  const errors: unknown[] = [];
  const slow = startRunner(store, [kindOf('slow', slept)], { holder: 'slow', leaseMs: 1, errors });
  const id = await begin(store, 'fenced');
  await until(store, id, ['running']);
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const heir = startRunner(store, [kindOf('heir', finished)], { holder: 'heir' });
  while (heir.runningCount === 0) await systemClock.sleep(10);
  wake();
  while (slow.runningCount > 0) await systemClock.sleep(10);
  t.equal((await thing(store, 'fenced'))?.state, 'creating', 'what the slow one did is refused');
  finish();
  t.match(await until(store, id), { state: 'done', data: ['heir'] });
  t.equal((await thing(store, 'fenced'))?.state, 'heir');
  t.same(errors, []);
  await Promise.all([slow.close(), heir.close()]);
}
