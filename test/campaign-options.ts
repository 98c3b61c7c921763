/** Options of the slow campaigns that are run by hand: `--help`, and one line for what cannot be read. */
import process from 'node:process';
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Exits with 0 after `--help`, with 2 after options that it cannot read. Numbers among `whole` are not negative. */
export function campaignOptions<T extends NonNullable<ParseArgsConfig['options']>>(
  help: string,
  options: T,
  whole: readonly string[],
) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } as const });
    if ((values as Record<string, unknown>)['help'] === true) {
      process.stdout.write(help);
      process.exit(0);
    }
    for (const name of whole) {
      const given = String((values as Record<string, unknown>)[name]);
      if (!/^\d+$/.test(given)) throw new Error(`--${name}: '${given}' is not a whole number`);
    }
    return values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message.split('\n')[0]} (--help lists the options)\n`);
    process.exit(2);
  }
}
