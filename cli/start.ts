// "needletail start": the five-zone cluster in the foreground, or of its services those that are configured. This file owns the command's options and their checks.
// A signal may arrive twice for one Ctrl-C (the terminal sends it to the whole process group and npm hands it on),
// so stopping must be idempotent: a repeated SIGINT or SIGTERM within a second is the same one.
import process from 'node:process';
import type { Command } from 'commander';
import { type ClusterOptions, withConfig } from './cluster/config.ts';
import { LOG_LEVELS, PROCESS_MODELS, type StartOptions } from './cluster/options.ts';
import { readyServicesText, readyText } from './cluster/ready.ts';
import { startCluster } from './cluster/start-cluster.ts';
import { startServices } from './cluster/start-services.ts';
import { choice, portNumber } from './option-types.ts';

export function register(program: Command): void {
  program
    .command('start')
    .description('run the cluster in the foreground until SIGINT or SIGTERM')
    .option('--data <dir>', 'directory of everything that is stored', './data')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port of every API, /healthcheck and /info (0: any free one)', portNumber, 8080)
    .option('--s3-port <number>', 'port of S3 alone (0: any free one)', portNumber, 9000)
    .option('--config <file>', 'TOML file with the same options and more; the command line wins')
    .option('--tls-cert <file>', 'PEM certificate chain; serves TLS on both ports')
    .option('--tls-key <file>', 'PEM private key of the certificate')
    .option('--processes <model>', `one of: ${PROCESS_MODELS.join(', ')}`, choice(PROCESS_MODELS), 'inline')
    .option('--log-level <level>', `one of: ${LOG_LEVELS.join(', ')}`, choice(LOG_LEVELS), 'info')
    .action(async (options: Omit<StartOptions, 'given'>, command: Command) => {
      if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
        command.error('error: --tls-cert and --tls-key go together');
      }
      await start({ ...options, given: givenOptions(command) });
    });
}

/** Runs until a signal stops it; rejects when it cannot start. */
export async function start(options: StartOptions): Promise<void> {
  // Only now: the other commands would load the whole store in vain.
  const [{ withConfig }, { startCluster }, { readyText }] = await Promise.all([
    import('./cluster/config.ts'),
    import('./cluster/start-cluster.ts'),
    import('./cluster/ready.ts'),
  ]);
  const { stop, ready } = await startConfigured(withConfig(options));
  process.stdout.write(ready);
  await stopSignal();
  process.stderr.write('stopping: requests in flight are finished first\n');
  await stop();
}

async function startConfigured(options: ClusterOptions): Promise<{ stop(): Promise<void>; ready: string }> {
  if (options.services.includes('store')) {
    const running = await startCluster(options);
    return { stop: () => running.stop(), ready: readyText(running) };
  }
  const running = await startServices(options);
  return { stop: () => running.stop(), ready: readyServicesText(running) };
}

/** Resolves at the first SIGINT or SIGTERM; later ones do nothing, the stop is bounded anyway. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
}

function givenOptions(command: Command): ReadonlySet<string> {
  return new Set(Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === 'cli'));
}
