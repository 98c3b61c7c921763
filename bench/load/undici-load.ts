/** Large bodies through undici: sent from one shared buffer, received into nothing, counted on the way. */
import { Writable } from 'node:stream';
import { Pool } from 'undici';
import type { Job, Step } from './job.ts';
import type { Tally } from './tally.ts';

const ANSWER_MS_MAX = 300_000;

export async function loadWithUndici(args: {
  job: Job;
  tally: Tally;
  connections: number;
  draining: () => boolean;
}): Promise<void> {
  const { job, tally, connections, draining } = args;
  const limits = { bodyTimeout: ANSWER_MS_MAX, headersTimeout: ANSWER_MS_MAX };
  const pool = new Pool(job.caller.origin, { connections, pipelining: 1, ...limits });
  const connection = async (): Promise<void> => {
    while (!draining() && !job.exhausted) await one(pool, job.next(), tally);
  };
  await Promise.all(Array.from({ length: connections }, connection));
  await pool.close();
}

async function one(pool: Pool, step: Step, tally: Tally): Promise<void> {
  const { call, body } = step;
  let status = 0;
  let received = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      done();
    },
  });
  tally.issued++;
  const startMs = performance.now();
  try {
    const options = {
      method: call.method as 'GET',
      path: call.path,
      headers: Object.fromEntries(call.headers),
      body: body ?? null,
    };
    await pool.stream(options, ({ statusCode }) => {
      status = statusCode;
      return sink;
    });
  } catch (error) {
    tally.bad((error as Error).message);
    return;
  }
  if (status < 200 || status > 299) tally.bad(`${call.method} answered ${status}`);
  else if (received < step.bytesMin) tally.bad(`${received} bytes instead of ${step.bytesMin}`);
  else tally.good(performance.now() - startMs, step.bodyBytes);
}
