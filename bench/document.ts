/** Puts a text between two markers of docs/benchmarks.md: `<!-- bench:NAME -->` … `<!-- /bench:NAME -->`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DOCUMENT = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

export function writeSections(sections: Readonly<Record<string, string>>): void {
  let text = readFileSync(DOCUMENT, 'utf8');
  for (const [name, content] of Object.entries(sections)) {
    const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no ${open} … ${close}`);
    text = `${text.slice(0, from + open.length)}\n\n${content.trim()}\n\n${text.slice(to)}`;
  }
  writeFileSync(DOCUMENT, text);
}
