// A process to be killed: runs tasks of the control plane on an LMDB store, and says on stdout what it is about to do.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { defineTable } from '../../control/contract.ts';
import { openLmdbStore } from '../../control/store/open.ts';
import type { TaskKind } from '../../control/tasks/contract.ts';
import { addTask, getTask } from '../../control/tasks/task-rows.ts';
import { TaskRunner } from '../../control/tasks/task-runner.ts';
import { systemClock } from '../../fabric/clock.ts';
import { systemRandom } from '../../fabric/random.ts';

export const THINGS = defineTable<{ state: string; task: string }>('test.things');
const STEPS = 4;

const folder = process.argv[2] as string;
const file = (id: string, step: number): string => join(folder, `${id}-${step}`);
const say = (what: string): void => void process.stdout.write(`${what}\n`);

const step = (index: number): TaskKind<{ id: string }>['steps'][number] => ({
  name: `step ${index}`,
  async run({ task }) {
    say(`begin ${index}`);
    writeFileSync(file(task.input.id, index), '');
    await systemClock.sleep(5);
    say(`end ${index}`);
  },
});

const kindOf = (name: string, afterCrash: 'resume' | 'fail'): TaskKind<{ id: string }> => ({
  name,
  afterCrash,
  firstData: undefined,
  steps: Array.from({ length: STEPS }, (_, i) => step(i)),
  async cleanup({ task }) {
    say('cleanup');
    for (let i = 0; i < STEPS; i++) rmSync(file(task.input.id, i), { force: true });
  },
  async settle(tx, task, ending) {
    say('settle');
    tx.put(THINGS, task.input.id, { state: ending === 'done' ? 'available' : 'error', task: task.id });
  },
});

/** Makes the thing unless it is there, runs whatever is left to do, checks, and prints the state it came to. */
async function main(id: string, name: string): Promise<void> {
  const store = await openLmdbStore({ path: join(folder, 'store'), clock: systemClock });
  const task = await store.write(async (tx) => {
    const thing = await tx.get(THINGS, id);
    if (thing) return thing.task;
    const made = addTask(tx, { kind: name, input: { id } }, { clock: systemClock, random: systemRandom });
    tx.put(THINGS, id, { state: 'creating', task: made });
    return made;
  });
  say('made');
  const kinds = [kindOf('test.resumes', 'resume'), kindOf('test.fails', 'fail')];
  const runner = new TaskRunner({
    store,
    clock: systemClock,
    holder: 'host',
    kinds,
    onError: (error) => say(String(error)),
  });
  runner.start();
  let revision = 0;
  for (;;) {
    const state = (await store.read((tx) => getTask(tx, task)))?.state ?? '';
    if (['done', 'failed', 'cancelled'].includes(state)) break;
    revision = await store.waitForChange(revision, 1000);
  }
  const thing = await store.read((tx) => tx.get(THINGS, id));
  const files = Array.from({ length: STEPS }, (_, i) => existsSync(file(id, i))).filter(Boolean).length;
  say(`RESULT ${thing?.state} ${files}`);
  await runner.close();
  await store.close();
}

if (process.argv[3] !== undefined) {
  const awake = setInterval(() => {}, 1000);
  await main(process.argv[3], process.argv[4] as string);
  clearInterval(awake);
}
