/**
 * A sample of the runs as tests: each client on some of the places, so that all four places and both APIs are met in a
 * minute. `npm run clients` does the whole. A client that is not installed is skipped with the reason.
 */
import type { Test } from 'tap';
import type { Outcome } from './contract.ts';
import { CLIENTS, type Listener, placeName, runClient } from './runs.ts';
import { type ShippedServer, startServer } from './server.ts';

/** Clients spend their time starting up, on their own core. */
const CLIENTS_AT_ONCE = 2;
/** On a machine so slow that some have not begun by then, those are left to `npm run clients`. */
const BEGIN_WITHIN_MS = 150_000;

export interface Sample {
  readonly tls: boolean;
  readonly clients: readonly (readonly [client: string, listener: Listener])[];
}

export async function testClients(t: Test, { tls, clients }: Sample): Promise<void> {
  // In one process and in one process a zone: both are shipped.
  const server = await startServer({ tls, processes: tls ? 'zones' : 'inline' });
  t.teardown(() => server.stop());
  t.jobs = CLIENTS_AT_ONCE;
  const latestMs = performance.now() + BEGIN_WITHIN_MS;
  await Promise.all(clients.map(([name, listener]) => testClient(t, server, { name, listener, latestMs })));
  t.comment(server.log());
}

interface Planned {
  readonly name: string;
  readonly listener: Listener;
  readonly latestMs: number;
}

function testClient(t: Test, server: ShippedServer, { name, listener, latestMs }: Planned): Promise<unknown> {
  const client = CLIENTS.find((one) => one.name === name);
  if (client === undefined) throw new Error(`no client is called ${name}`);
  const place = placeName(server.caFile !== undefined, listener);
  const skip = client.missing();
  const title = `${name}${skip ? '' : ` ${client.version()}`}, ${place}`;
  return t.test(title, { skip, buffered: true }, async (t) => {
    if (performance.now() > latestMs)
      return void t.pass(name, { skip: 'the machine is too slow; see npm run clients' });
    for (const outcome of await runClient(server, listener, client)) report(t, outcome);
  });
}

function report(t: Test, { step, state, why, tookMs }: Outcome): void {
  if (state === 'ok') t.pass(`${step} (${tookMs} ms)`);
  else if (state === 'skipped') t.pass(step, { skip: why });
  else t.fail(step, { why });
}
