// Turns arguments into one command's run and its outcome into an exit code: 0 done, 1 failed, 2 misused.
// Every failure is one line on stderr that starts with "needletail: "; a stack is shown only where DEBUG is set.
// Commands declare themselves on the program they are given (see commands.ts).
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { CommandExit } from './command-exit.ts';
import { COMMANDS, type CommandModule } from './commands.ts';

export const EXIT = { done: 0, failed: 1, misused: 2 } as const;

export interface ProgramOptions {
  readonly commands?: readonly CommandModule[];
  /** Shows the stack of what failed. */
  readonly debug?: boolean;
}

/** Runs the command line (without node and the script); resolves to the exit code. */
export async function runProgram(args: readonly string[], { commands = COMMANDS, debug = false }: ProgramOptions = {}) {
  const program = makeProgram(commands);
  try {
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync([...args], { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommandExit) return error.exitCode;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.misused;
    process.stderr.write(`${describeError(error, debug)}\n`);
    return EXIT.failed;
  }
}

function makeProgram(commands: readonly CommandModule[]): Command {
  const program = new Command('needletail');
  program
    .description('A durable, distributed object store that speaks the S3 and OpenStack Swift APIs.')
    .version(readVersion(), '--version', 'print the version')
    .helpOption('--help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(try "needletail --help")')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'needletail: ')) })
    // Commands inherit these only when they are set before the commands are added.
    .exitOverride();
  for (const command of commands) command.register(program);
  return program;
}

function describeError(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return `needletail: ${String(error)}`;
  if (debug) return `needletail: ${error.stack ?? error.message}`;
  return `needletail: ${(error.message || error.name).split('\n').join(' ')}`;
}

/** package.json is one folder up from the source and two from the built file. */
function readVersion(): string {
  for (const up of ['../', '../../']) {
    const text = readIfPresent(new URL(`${up}package.json`, import.meta.url));
    if (text === undefined) continue;
    const { name, version } = JSON.parse(text) as { name?: string; version?: string };
    if (name === 'needletail' && version !== undefined) return version;
  }
  return 'unknown';
}

function readIfPresent(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
