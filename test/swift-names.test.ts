// The table of Swift's headers and parameters against the code: what it asks requests for, and nothing else.
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { REFUSED_HEADERS, REFUSED_PARAMETERS } from '../proxy/swift/request-rules.ts';
import { SWIFT_NAMES } from './swift-names.ts';

const FOLDERS = ['proxy/swift', 'proxy/object'] as const;
/** Of HTTP itself, whatever the API. */
const HTTP_ONLY = new Set(['host']);
const ASKS = [/\bheader\('([a-z-]+)'/g, /\bheaders\.(?:get|has)\('([a-z-]+)'/g, /\bparams\.(?:get|has)\('([\w-]+)'/g];

const sources = FOLDERS.flatMap((folder) => {
  const url = new URL(`../../${folder}/`, import.meta.url);
  return readdirSync(url)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => ({ file: `${folder}/${name}`, text: readFileSync(new URL(name, url), 'utf8') }));
});

t.test('nothing that the code asks for is missing', async (t) => {
  const known = new Set([
    ...SWIFT_NAMES.map(({ name }) => name.replace('?', '')),
    ...[...REFUSED_HEADERS, ...REFUSED_PARAMETERS].map(({ name }) => name),
    ...HTTP_ONLY,
  ]);
  for (const { file, text } of sources) {
    if (!file.startsWith('proxy/swift/')) continue;
    for (const pattern of ASKS) {
      for (const [, name = ''] of text.matchAll(pattern)) t.ok(known.has(name), `${file}: ${name}`);
    }
  }
});

t.test('the code knows every name of the table', async (t) => {
  const all = sources.map(({ text }) => text).join('\n');
  for (const { name } of SWIFT_NAMES) {
    // Some are made of a prefix and a word.
    const [, word = ''] = /^x-(?:container|account)-meta-(?:web-|quota-)(.*)$/.exec(name) ?? [];
    const plain = name.replace('?', '').replace('x-remove-', 'x-').replace(/\*$/, '');
    const spellings = [
      `'${plain}'`,
      `'${name.replace(/\*$/, '')}'`,
      ...(word === '' ? [] : [`'${word}'`, `-${word}`, `}${word}`]),
    ];
    const isBare = /^[a-z]+$/.test(plain) && new RegExp(`\\b${plain}\\b`).test(all);
    t.ok(isBare || spellings.some((one) => all.includes(one)), name);
  }
});
