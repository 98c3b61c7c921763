/** A cluster of its own for one test, with a client that is logged in; nothing is left of it afterwards. */
import type { Test } from 'tap';
import { Bench } from './campaign.ts';
import { Client } from './client.ts';
import { CrashServer, type ServerOptions } from './server.ts';

export interface Started {
  readonly bench: Bench;
  readonly server: CrashServer;
  readonly client: Client;
}

export async function startBench(t: Test, options: Omit<ServerOptions, 'directory' | 'logFile'>): Promise<Started> {
  const bench = new Bench();
  const server = new CrashServer({ directory: bench.data, logFile: bench.logFile, ...options });
  const client = new Client(bench.data);
  t.teardown(async () => {
    client.close();
    await server.killAll();
    bench.remove();
  });
  await server.start();
  await client.login(server.url);
  return { bench, server, client };
}
