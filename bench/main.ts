/**
 * npm run bench: measures this store or a peer by the same means, and compares results. The first word chooses; without
 * one it runs. Owns the exit code (1: an invalid row, a regression or a failure) and that nothing stays behind.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cleanUp, cleanUpOnSignals } from './cleanup.ts';
import { compare } from './compare.ts';
import { IDENTITY_HELP, identity } from './identity.ts';
import { LISTING_HELP, listing } from './listing.ts';
import { MEMORY_HELP, memory } from './memory.ts';
import { parseRun, percent, RUN_HELP } from './options.ts';
import { PEERS_HELP, peers } from './peers/main.ts';
import { RESTART_HELP, restart } from './restart.ts';
import { run } from './run.ts';
import { SNAPSHOT_HELP, snapshot } from './snapshot.ts';
import { VERSIONS_HELP, versions } from './versions.ts';

const BASELINE = fileURLToPath(new URL('../../bench/baseline.json', import.meta.url));

const COMPARE_HELP = `npm run bench -- compare [OLD.json] NEW.json [--threshold 20]
  ratios row by row, OLD is bench/baseline.json by default; exit 1 when a rate fell or CPU per operation rose by more per cent
  a new baseline: npm run bench -- run --out bench/baseline.json
`;

interface Command {
  readonly summary: string;
  readonly help: string;
  /** Resolves to false when something measured is invalid or worse. */
  run(args: readonly string[]): boolean | Promise<boolean>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: 'rates, latencies and costs of this store or of one elsewhere (the default)',
    help: RUN_HELP,
    run: (args) => run(parseRun(args), `npm run bench -- run ${maskSecrets(args).join(' ')}`.trim()),
  },
  compare: { summary: 'two results, or one and the baseline, by ratios', help: COMPARE_HELP, run: compareFiles },
  peers: { summary: 'this store beside another one, in turns, as a table of ratios', help: PEERS_HELP, run: peers },
  identity: {
    summary: 'what tokens and passwords cost, and how long identity starts',
    help: IDENTITY_HELP,
    run: identity,
  },
  listing: { summary: 'a page of a small and of a very large container', help: LISTING_HELP, run: listing },
  memory: { summary: 'memory while one very large object comes and goes', help: MEMORY_HELP, run: memory },
  restart: { summary: 'time to be ready after kill -9, by number of objects', help: RESTART_HELP, run: restart },
  snapshot: { summary: 'what snapshots of volumes cost', help: SNAPSHOT_HELP, run: snapshot },
  versions: { summary: 'pages of versions, and what a guarded bucket costs', help: VERSIONS_HELP, run: versions },
};

const HELP = `npm run bench -- [COMMAND] [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  .join('\n')}

npm run bench -- COMMAND --help tells the options of one.`;

async function main(args: readonly string[]): Promise<boolean> {
  const [word = ''] = args;
  const named = !word.startsWith('-') && word !== '';
  const command = COMMANDS[named ? word : 'run'];
  if (command === undefined) throw new Error(`no command ${word}; there are ${Object.keys(COMMANDS).join(', ')}`);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(named ? command.help : HELP);
    return true;
  }
  return await command.run(named ? args.slice(1) : args);
}

function compareFiles(args: readonly string[]): boolean {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { threshold: { type: 'string', default: '20' } },
    allowPositionals: true,
  });
  const [first, second] = positionals;
  if (first === undefined || positionals.length > 2) throw new Error('compare takes one or two results');
  const threshold = percent('threshold', values.threshold);
  return second === undefined ? compare(BASELINE, first, threshold) : compare(first, second, threshold);
}

/** The command is kept in the result; the keys in it are not. */
function maskSecrets(args: readonly string[]): string[] {
  return args.map((word, index) =>
    /^--(?:key|token|secret-key)$/.test(args[index - 1] ?? '')
      ? '…'
      : word.replace(/^(--(?:key|token|secret-key))=.*/, '$1=…'),
  );
}

cleanUpOnSignals();
try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  // One line for what a user can mend, a stack for a bug.
  const bug = error instanceof TypeError && !('code' in error);
  console.error(bug ? error : `bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
