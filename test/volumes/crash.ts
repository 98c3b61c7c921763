/** One run: an action during which the host dies at a step, the next host's start (which may die too), and what is true then. */
import { systemClock } from '../../fabric/clock.ts';
import { type Host, HostBed } from './host.ts';
import type { Death } from './mortal.ts';
import { checkSnapshots, clearAway, type Facts, type Scenario, settle } from './scenarios.ts';

const ACTION_MS_MAX = 30_000;

export interface Prepared {
  readonly bed: HostBed;
  readonly facts: Facts;
}

export interface Run {
  readonly scenario: Scenario;
  readonly death?: Death;
  /** Of the host that follows, while it starts. */
  readonly second?: Death;
}

/** Gives the steps of the action. Throws when something is not true. */
export async function crashRun({ bed: template, facts }: Prepared, run: Run): Promise<readonly string[]> {
  const { scenario, death, second } = run;
  const bed = new HostBed(template);
  try {
    const { steps, acked } = await actAndDie(bed, scenario, death);
    if (second) await dieAgain(bed, second);
    const host = await bed.start();
    await settle(host);
    await scenario.check(host, facts, acked);
    await checkSnapshots(bed, host, facts);
    await clearAway(bed, host);
    return steps;
  } catch (error) {
    throw new Error(`${describe(run)}: ${(error as Error).message}`, { cause: error });
  } finally {
    await bed.close();
  }
}

export function describe({ scenario, death, second }: Run): string {
  const text = (which: Death): string => `${which.afterEffect ? 'after' : 'before'} step ${which.step}`;
  return `${scenario.name}${death ? `, death ${text(death)}` : ''}${second ? `, again ${text(second)}` : ''}`;
}

async function actAndDie(bed: HostBed, scenario: Scenario, death: Death | undefined) {
  const first = await bed.start();
  // Its own start is not a part of the action.
  const from = first.mortal.steps.length;
  first.mortal.dieAt(death && { ...death, step: from + death.step });
  let acked = false;
  const acting = scenario.act(first).then(
    () => {
      acked = !first.mortal.dead;
    },
    (error: unknown) => {
      if (!first.mortal.dead) throw error;
    },
  );
  await Promise.race([acting, first.mortal.died, tooLong()]);
  acting.catch(() => {});
  const steps = first.mortal.steps.slice(from);
  if (death) first.mortal.kill();
  await first.stop();
  return { steps, acked };
}

async function dieAgain(bed: HostBed, death: Death): Promise<void> {
  let host: Host;
  try {
    host = await bed.start(death);
  } catch {
    // It died while it started.
    return;
  }
  host.mortal.kill();
  await host.stop();
}

function tooLong(): Promise<never> {
  return new Promise((_, reject) => {
    systemClock.after(ACTION_MS_MAX, () => reject(new Error('the action neither ends nor dies')));
  });
}
