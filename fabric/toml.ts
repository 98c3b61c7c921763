/** TOML files. The only file that imports smol-toml. */
import { parse, TomlError } from 'smol-toml';
import { Fault } from './errors.ts';

/** Fault BadToml with the line and what is wrong there. */
export function parseToml(text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0] ?? '';
    throw new Fault('BadToml', { line: error.line }, `line ${error.line}: ${what}`);
  }
}
