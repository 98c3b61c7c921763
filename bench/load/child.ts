/**
 * The load generator's process: takes one plan from its parent, says when the measured window begins and ends, so that the
 * parent can read the server's counters just then, and answers with the counts. Ends with its parent.
 */
import { loadWithAutocannon } from './autocannon-load.ts';
import { Job } from './job.ts';
import type { LoadMessage, LoadPlan, LoadResult } from './plan.ts';
import { Tally } from './tally.ts';
import { loadWithUndici } from './undici-load.ts';

const AUTOCANNON_BYTES_MAX = 1 << 19;

const tell = (message: LoadMessage): Promise<void> =>
  new Promise((resolve) => void (process.send as NonNullable<typeof process.send>)(message, () => resolve()));

async function run(plan: LoadPlan): Promise<LoadResult> {
  const job = new Job(plan);
  const tally = new Tally();
  let draining = false;
  const load = plan.sizeBytes > AUTOCANNON_BYTES_MAX ? loadWithUndici : loadWithAutocannon;
  const begin = (): void => {
    tally.begin();
    void tell({ at: 'begin' });
  };
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    draining = true;
    tally.end();
    void tell({ at: 'end' });
  };
  // Names that run out leave no time to warm up.
  const warmupMs = job.bounded ? 0 : plan.warmupSeconds * 1000;
  if (warmupMs === 0) begin();
  else setTimeout(begin, warmupMs);
  const timer = setTimeout(end, warmupMs + plan.seconds * 1000);
  await load({ job, tally, connections: plan.connections, draining: () => draining });
  clearTimeout(timer);
  end();
  if (tally.issued > tally.answered) tally.wrong(`${tally.issued - tally.answered} requests had no answer`);
  for (const wrong of await job.check()) tally.wrong(wrong);
  const [p50Ms = 0, p99Ms = 0, p999Ms = 0] = tally.percentiles(0.5, 0.99, 0.999);
  const { ops, windowSeconds, bodyBytes, errors, errorSamples, cpuUs } = tally;
  return {
    ops,
    windowSeconds,
    bodyBytes,
    p50Ms,
    p99Ms,
    p999Ms,
    errors,
    errorSamples,
    written: job.written,
    clientCpuUs: cpuUs,
  };
}

process.once('message', (plan: LoadPlan) => {
  run(plan)
    .then((result) => tell({ at: 'done', result }))
    .then(() => process.exit(0))
    .catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
});
process.on('disconnect', () => process.exit(1));
