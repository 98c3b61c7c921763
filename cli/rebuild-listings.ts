// "needletail rebuild-listings DIR": makes the listings of a stopped cluster anew from its objects: every live object gets
// its row, rows without an object go, accounts show their containers with the right sums. What is right already stays.
// Exit 0: done. 1: done, but some disk could not be read. 3: misuse, or it cannot be run now.
import process from 'node:process';
import type { Command, CommanderError } from 'commander';
import { CommandExit } from './command-exit.ts';

const EXIT_INCOMPLETE = 1;
const EXIT_MISUSED = 3;

export function register(program: Command): void {
  program
    .command('rebuild-listings')
    .description("make a stopped cluster's listings anew from its objects")
    .argument('<dir>', 'data directory of the cluster')
    .option('--dry-run', 'say what would be done, and write nothing')
    .exitOverride(misused)
    .action(run);
}

async function run(directory: string, { dryRun = false }: { readonly dryRun?: boolean }): Promise<void> {
  const { createLogger } = await import('../fabric/logger.ts');
  const { rebuildListings } = await import('./rebuild/rebuild.ts');
  const log = createLogger({ level: 'warn', sync: true });
  const done = await rebuildListings(directory, { dryRun, log }).catch((error: Error) => {
    process.stderr.write(`needletail: ${error.message}\n`);
    throw new CommandExit(EXIT_MISUSED);
  });
  for (const disk of done.skipped) process.stderr.write(`needletail: not read: ${disk}\n`);
  const { containers, objects, rewritten, removed, applied } = done;
  const deeds = `${rewritten} rows ${dryRun ? 'to write' : 'written'} anew, ${removed} ${dryRun ? 'to remove' : 'removed'}`;
  const copies = dryRun ? '' : `, ${applied} copies stored where they were missing`;
  process.stdout.write(`${objects} objects in ${containers} containers: ${deeds}${copies}\n`);
  if (done.skipped.length > 0) throw new CommandExit(EXIT_INCOMPLETE);
}

function misused(error: CommanderError): never {
  if (error.exitCode === 0) throw error;
  throw new CommandExit(EXIT_MISUSED);
}
