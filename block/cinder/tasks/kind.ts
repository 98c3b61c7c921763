/** What Cinder's kinds of task have in common: they go on after a crash, and end in a state that is true. */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import type {
  StepContext,
  StepResult,
  Task,
  TaskEnding,
  TaskError,
  TaskKind,
} from '../../../control/tasks/contract.ts';
import { isFinal, listByResource } from '../../../control/tasks/task-rows.ts';
import type { Cinder } from '../cinder.ts';
import type { Collection } from '../model/collection.ts';
import { Patience } from './patience.ts';

export interface Ended<I, D> {
  readonly task: Task<I, D>;
  readonly ending: TaskEnding;
  readonly error: TaskError | undefined;
}

export interface KindSpec<I, D> {
  readonly name: string;
  readonly firstData?: D;
  readonly steps: readonly {
    readonly name: string;
    run(step: StepContext<I, D>): Promise<StepResult<D> | void>;
  }[];
  cleanup?(step: StepContext<I, D>): Promise<void>;
  settle(tx: WriteTx, ended: Ended<I, D>): Promise<void>;
}

/** Steps bear repetition: whatever they ask of hosts is named by an id. Tasks of one resource run one after another. */
export function kind<I, D = unknown>(cinder: Cinder, spec: KindSpec<I, D>): TaskKind<I, D> {
  const { name, firstData, steps, cleanup, settle } = spec;
  const inTurn = steps.map((one, i) =>
    i > 0 ? one : { name: one.name, run: (step: StepContext<I, D>) => ownTurn(cinder, step).then(() => one.run(step)) },
  );
  return {
    ...{ name, steps: inTurn, afterCrash: 'resume', firstData: firstData as D },
    ...(cleanup && { cleanup: (step) => cleanup(step) }),
    settle: (tx, task, ending, error) => settle(tx, { task, ending, error }),
  };
}

/** Until the tasks before this one have ended: a deletion by force comes while its volume is still being made. */
async function ownTurn(cinder: Cinder, step: StepContext<unknown, unknown>): Promise<void> {
  const { task } = step;
  const { resource } = task;
  if (resource === undefined) return;
  const isBefore = (one: Task): boolean =>
    one.createdAtMs < task.createdAtMs || (one.createdAtMs === task.createdAtMs && one.id < task.id);
  await new Patience(cinder, step).until(async () => {
    const others = await step.read((tx) => listByResource(tx, resource));
    return others.some((one) => !isFinal(one) && isBefore(one)) ? undefined : true;
  });
}

interface Dated {
  readonly id: string;
  readonly updatedAtMs?: number | undefined;
}

/** The row as it is now, changed; undefined when it is gone. */
export async function change<T extends Dated>(
  { clock }: Pick<Cinder, 'clock'>,
  tx: WriteTx,
  rows: Collection<T>,
  { id, ...changes }: Partial<T> & { readonly id: string },
): Promise<T | undefined> {
  const row = await rows.get(tx, id);
  return row && rows.put(tx, { ...row, ...changes, updatedAtMs: clock.nowMs() });
}

/** Rows that a task works on; undefined once somebody has forced them away. */
export function row<T extends Dated>(
  step: { read<R>(body: (tx: ReadTx) => Promise<R>): Promise<R> },
  rows: Collection<T>,
  id: string,
) {
  return step.read((tx) => rows.get(tx, id));
}
