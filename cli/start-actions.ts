// What "needletail start" does: everything that is configured, until a signal.
// A signal may arrive twice for one Ctrl-C (the terminal sends it to the whole process group and npm hands it on),
// so stopping must be idempotent: a repeated SIGINT or SIGTERM within a second is the same one.
import process from 'node:process';
import { type ClusterOptions, withConfig } from './cluster/config.ts';
import type { StartOptions } from './cluster/options.ts';
import { readyServicesText, readyText } from './cluster/ready.ts';

/** Runs until a signal stops it; rejects when it cannot start. */
export async function start(options: StartOptions): Promise<void> {
  const { stop, ready } = await startConfigured(withConfig(options));
  process.stdout.write(ready);
  await stopSignal();
  process.stderr.write('stopping: requests in flight are finished first\n');
  await stop();
}

/** Loads no more than it runs: a host's volumes alone need nothing of a store. */
async function startConfigured(options: ClusterOptions): Promise<{ stop(): Promise<void>; ready: string }> {
  if (options.services.includes('store')) {
    const { startCluster } = await import('./cluster/start-cluster.ts');
    const running = await startCluster(options);
    return { stop: () => running.stop(), ready: readyText(running) };
  }
  const { startServices } = await import('./cluster/start-services.ts');
  const running = await startServices(options);
  return { stop: () => running.stop(), ready: readyServicesText(running) };
}

/** Resolves at the first SIGINT or SIGTERM; later ones do nothing, the stop is bounded anyway. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
}
