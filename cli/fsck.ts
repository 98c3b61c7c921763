// "needletail fsck DIR": reads the disks of a stopped cluster and says what is below target, contradicts itself or is lost.
// Exit 0: all at target. 1: degraded, nothing lost. 2: data lost or a disk unreadable. 3: misuse, or it cannot be run now.
// It asks nothing of the server; what it looks for is in fsck/.
import process from 'node:process';
import type { Command, CommanderError } from 'commander';
import { CommandExit } from './command-exit.ts';

const EXIT_MISUSED = 3;

interface Options {
  readonly json?: boolean;
  readonly full?: boolean;
}

export function register(program: Command): void {
  program
    .command('fsck')
    .description("check a stopped cluster's disks: every record, checksum, replica and listing, against each other")
    .argument('<dir>', 'data directory of the cluster')
    .option('--json', 'the findings as one JSON document')
    .option('--full', 'every finding by name, instead of the first few of each kind')
    .exitOverride(misused)
    .action(run);
}

async function run(directory: string, { json = false, full = false }: Options): Promise<void> {
  const { describe, inspect } = await import('./fsck/inspect.ts');
  const report = await inspect(directory).catch((error: Error) => {
    process.stderr.write(`needletail: ${error.message}\n`);
    throw new CommandExit(EXIT_MISUSED);
  });
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : describe(report, full));
  if (report.exitCode !== 0) throw new CommandExit(report.exitCode);
}

/** Commander prints the misuse; scripts tell it from findings by its code. */
function misused(error: CommanderError): never {
  if (error.exitCode === 0) throw error;
  throw new CommandExit(EXIT_MISUSED);
}
