// "needletail identity": keys of the identity service. Declares the commands; what they do is in identity/rotate-keys.ts.
// Meant for timers and people on the machine that identity runs on; the service notices new keys by itself.
import type { Command } from 'commander';
import { integerBetween } from './option-types.ts';

const ACTIVE_KEYS_MAX = 100;

export function register(program: Command): void {
  const identity = program.command('identity').description('Keys of the identity service.');
  identity
    .command('rotate-keys')
    .description('Make the staged Fernet key the primary one, stage a new one, drop the oldest beyond the maximum.')
    .argument('<directory>', 'the folder of keys, e.g. DIR/identity/fernet-keys')
    .option(
      '--max-active-keys <count>',
      'keys that are kept, staged and primary included; tokens of dropped ones end',
      integerBetween(2, ACTIVE_KEYS_MAX),
      3,
    )
    .option('--json', 'print the report as JSON')
    .action(async (directory, options) => (await import('./identity/rotate-keys.ts')).rotate(directory, options));
}
