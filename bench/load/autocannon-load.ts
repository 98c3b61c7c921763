/**
 * Small requests through autocannon. Its clients are handed finished bytes and their bodies are not collected, so that it
 * takes as little of a small machine as it can; a connection leaves only after its answer, so that nothing the server did
 * goes uncounted. What it does not notice (a connection closed in mid-request) shows as requests without an answer.
 */
import autocannon, { type AutocannonClient } from 'autocannon';
import type { Job, Step } from './job.ts';
import type { Tally } from './tally.ts';

const ANSWER_SECONDS_MAX = 120;
/** kOnHeadersComplete of http-parser-js; true from it says that no body follows. */
const ON_HEADERS_COMPLETE = 2;
const NOTHING = Buffer.alloc(0);

/** Resolves when every connection has had its last answer. `draining` is asked before each further request. */
export function loadWithAutocannon(args: {
  job: Job;
  tally: Tally;
  connections: number;
  draining: () => boolean;
}): Promise<void> {
  const { job, tally, connections, draining } = args;
  const bytes = new WeakMap<Step, Buffer>();
  const current = new WeakMap<AutocannonClient, Step>();
  let running = connections;
  return new Promise((resolve) => {
    const leave = (client: AutocannonClient): void => {
      if (client.destroyed) return;
      client.destroy();
      if (--running === 0) resolve();
    };
    const setupClient = (client: AutocannonClient): void => {
      client.pipelinedRequests.addBody = () => {};
      // The constructor sets its own parser callbacks after this one.
      process.nextTick(() => {
        const original = client.parser[ON_HEADERS_COMPLETE] as (...args: never[]) => unknown;
        client.parser[ON_HEADERS_COMPLETE] = (...head: never[]) => {
          original(...head);
          return current.get(client)?.call.method === 'HEAD';
        };
      });
      client.getRequestBuffer = () => {
        if (client.destroyed) return NOTHING;
        const step = job.next();
        current.set(client, step);
        tally.issued++;
        let buffer = bytes.get(step);
        if (buffer === undefined) {
          buffer = toBytes(step, job.caller.host);
          bytes.set(step, buffer);
        }
        return buffer;
      };
    };
    const { origin } = job.caller;
    const load = autocannon(
      { url: origin, connections, duration: 1e6, timeout: ANSWER_SECONDS_MAX, setupClient },
      () => {},
    );
    load.on('response', (client: AutocannonClient, status: number, answerBytes: number, latencyMs: number) => {
      const step = current.get(client) as Step;
      if (status < 200 || status > 299) tally.bad(`${step.call.method} answered ${status}`);
      else if (answerBytes < step.bytesMin) tally.bad(`${answerBytes} bytes instead of ${step.bytesMin}`);
      else tally.good(latencyMs, step.bodyBytes);
      if (draining() || job.exhausted) leave(client);
    });
    load.on('reqError', (error: Error) => tally.bad(error.message));
  });
}

function toBytes({ call, body }: Step, host: string): Buffer {
  let head = `${call.method} ${call.path} HTTP/1.1\r\nHost: ${host}\r\n`;
  for (const [name, value] of call.headers) head += `${name}: ${value}\r\n`;
  if (body) head += `Content-Length: ${body.length}\r\n`;
  const bytes = Buffer.from(`${head}\r\n`, 'latin1');
  return body && body.length > 0 ? Buffer.concat([bytes, body]) : bytes;
}
