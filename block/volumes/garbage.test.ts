// Two hosts with one repository: the one that began last collects, and deletions at the other do not make it ask again and again.
import t from 'tap';
import { type Clock, systemClock } from '../../fabric/clock.ts';
import { MemoryObjects } from '../../test/repository/memory-objects.ts';
import { CHUNK, MemoryVolume, openMemory, take } from '../../test/repository/volume.ts';
import { Garbage } from './garbage.ts';

const MINUTE_MS = 60_000;

/** Says when it would have been called, and calls when it is told to. */
class Pending {
  delayMs = 0;
  #run: (() => void) | undefined;
  readonly clock: Clock = {
    ...systemClock,
    after: (delayMs, run) => {
      this.delayMs = delayMs;
      this.#run = run;
      return { cancel: () => {} };
    },
  };

  /** Until the next one is set. */
  async run(): Promise<void> {
    const run = this.#run;
    run?.();
    while (this.#run === run) await systemClock.sleep(1);
  }
}

t.test('who was put out waits, whatever is deleted', async (t) => {
  const objects = new MemoryObjects();
  const { repository } = await openMemory(objects);
  /** Something for collectors to look at. */
  const use = async (snapshot: string): Promise<void> => {
    await take(repository, new MemoryVolume(4 * CHUNK, 1), { snapshot });
    await repository.delete({ lineage: 'line', snapshot });
  };
  const host = async (holder: string) => {
    const { repository } = await openMemory(objects);
    const pending = new Pending();
    const warnings: string[] = [];
    const log = { warn: (_: object, message: string) => void warnings.push(message) };
    const garbage = new Garbage({ repository, clock: pending.clock, holder, log });
    garbage.start();
    return { garbage, pending, warnings };
  };
  const [one, two] = [await host('one'), await host('two')];
  await use('a');
  await one.pending.run();
  one.garbage.nudge();
  t.ok(one.pending.delayMs <= MINUTE_MS, 'who collects looks soon when something was deleted');
  await use('b');
  await two.pending.run();
  await use('c');
  await one.pending.run();
  t.ok(one.pending.delayMs > 60 * MINUTE_MS, 'it is put out');
  one.garbage.nudge();
  t.ok(one.pending.delayMs > 60 * MINUTE_MS, 'and stays out');
  await two.pending.run();
  t.ok(two.pending.delayMs <= 10 * MINUTE_MS, 'the other one goes on');
  await one.pending.run();
  one.garbage.nudge();
  t.ok(one.pending.delayMs <= MINUTE_MS, 'until its time has come');
  t.same([one.warnings, two.warnings], [[], []]);
  await one.garbage.stop();
  await two.garbage.stop();
});
