/** Puts a text between two markers of docs/benchmarks.md: `<!-- bench:NAME -->` … `<!-- /bench:NAME -->`. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const DOCUMENT = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

/** A file beside it. */
export function writeDocument(name: string, content: string): void {
  writeFileSync(path.join(path.dirname(DOCUMENT), name), content);
}

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
