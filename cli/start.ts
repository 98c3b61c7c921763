// "needletail start": the five-zone cluster in the foreground, or of its services those that are configured. Declares the
// command's options and their checks; what it does is in start-actions.ts.
import type { Command } from 'commander';
import { LOG_LEVELS, PROCESS_MODELS, type StartOptions } from './cluster/options.ts';
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
      const { start } = await import('./start-actions.ts');
      await start({ ...options, given: givenOptions(command) });
    });
}

function givenOptions(command: Command): ReadonlySet<string> {
  return new Set(Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) === 'cli'));
}
