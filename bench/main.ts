/**
 * npm run bench: measures this store or a peer by the same means, and compares results. The first word chooses; without
 * one it runs. Owns the exit code (1: an invalid row, a regression or a failure) and that nothing stays behind.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cleanUp, cleanUpOnSignals } from './cleanup.ts';
import { compare } from './compare.ts';
import { parseRun, RUN_HELP } from './options.ts';
import { PEERS_HELP, peers } from './peers/main.ts';
import { run } from './run.ts';

const BASELINE = fileURLToPath(new URL('../../bench/baseline.json', import.meta.url));
const HELP = `${RUN_HELP}
npm run bench -- compare [OLD.json] NEW.json [--threshold 20]
  ratios row by row, OLD is bench/baseline.json by default; exit 1 when a rate fell or CPU per operation rose by more per cent
  a new baseline: npm run bench -- --out bench/baseline.json

${PEERS_HELP}`;

async function main(args: readonly string[]): Promise<boolean> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(HELP);
    return true;
  }
  if (args[0] === 'compare') return compareFiles(args.slice(1));
  if (args[0] === 'peers') return await peers(args.slice(1));
  return await run(parseRun(args), `npm run bench -- ${maskSecrets(args).join(' ')}`.trim());
}

function compareFiles(args: readonly string[]): boolean {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { threshold: { type: 'string', default: '20' } },
    allowPositionals: true,
  });
  const after = positionals.at(-1);
  if (after === undefined || positionals.length > 2) throw new Error('compare takes one or two results');
  return compare(
    positionals.length === 2 ? (positionals[0] as string) : BASELINE,
    after,
    Number(values.threshold) / 100,
  );
}

/** The command is kept in the result; the keys in it are not. */
function maskSecrets(args: readonly string[]): string[] {
  return args.map((word, index) => (/^--(?:key|token|secret-key)$/.test(args[index - 1] ?? '') ? '…' : word));
}

cleanUpOnSignals();
try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? `bench: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
