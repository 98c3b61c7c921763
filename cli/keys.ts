// "needletail keys": the master keys under which bodies are encrypted. A running server takes in a new key when somebody
// first names it; a new version of a key at its next start.
import type { Command } from 'commander';

const DATA = ['--data <dir>', 'the data directory', './data'] as const;

export function register(program: Command): void {
  const keys = program.command('keys').description('Show, add and rotate the master keys of encryption.');
  keys
    .command('list')
    .description('Names and versions; never the keys.')
    .option(...DATA)
    .action(async ({ data }) => (await actions()).list(data));
  keys
    .command('add')
    .description('Add a key that requests can name (SSE-KMS).')
    .argument('<name>')
    .option(...DATA)
    .action(async (name, { data }) => (await actions()).add(data, name));
  keys
    .command('rotate')
    .description('Give a key a new version, which wraps from now on; older versions stay and open what they wrapped.')
    .argument('<name>', 's3 is the key of SSE-S3, aws/s3 that of SSE-KMS where none is named')
    .option(...DATA)
    .action(async (name, { data }) => (await actions()).rotate(data, name));
}

const actions = () => import('./keys-actions.ts');
