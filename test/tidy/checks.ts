// The checks of tidy on single files and on the tree: each takes text and returns breaches, one line a breach.
// Pure, so that the test can plant a breach in a string. Tables are in rules.ts.
import path from 'node:path';
import {
  ADAPTERS,
  ARROWS,
  CONTRACT_FOLDERS,
  CONTRACT_MUST_NOT_IMPORT,
  DEPENDENCY_HOMES,
  FILE_LINES_MAX,
  LONG_FILES,
  LONG_FUNCTIONS,
  STRANGERS,
  TOOL_FOLDERS,
  WORLD,
  type WorldPart,
} from './rules.ts';
import { type Import, lineOf, listImports, maskText } from './scan.ts';

export interface Source {
  /** From the root, with forward slashes. */
  readonly file: string;
  readonly text: string;
  readonly masked: string;
  readonly imports: readonly Import[];
}

export function makeSource(file: string, text: string): Source {
  const masked = maskText(text);
  return { file, text, masked, imports: listImports(text, masked) };
}

// ---- imports

/** Folder arrows, contracts, strangers, and production against tests. */
export function checkArrows(source: Source): string[] {
  return source.imports.flatMap(({ specifier, line }) => {
    if (!specifier.startsWith('.')) return [];
    const wrong = judgeArrow(source.file, resolve(source.file, specifier));
    return wrong === undefined ? [] : [`${source.file}:${line} imports ${specifier}: ${wrong}`];
  });
}

function judgeArrow(from: string, to: string): string | undefined {
  if (!/\.(?:ts|json)$/.test(to)) return 'an import ends in .ts';
  const [fromFolder, toFolder] = [folderOf(from), folderOf(to)];
  if (isTool(fromFolder)) return undefined;
  if (isTest(from) && toFolder === 'test') return undefined;
  if (isTool(toFolder) || (isTest(to) && !isTest(from))) return 'production code never imports tests or tools';
  if (STRANGERS.some(([a, b]) => crosses(from, to, a, b))) return 'these two folders must not know each other';
  if (fromFolder === toFolder) return judgeContract(from, to);
  if (ARROWS[fromFolder]?.includes(toFolder)) return undefined;
  if (isService(fromFolder) && isService(toFolder)) {
    return path.basename(to) === 'contract.ts' ? undefined : `of ${toFolder}/ it may see only contract.ts`;
  }
  return `${fromFolder}/ may not import ${toFolder}/`;
}

function judgeContract(from: string, to: string): string | undefined {
  if (path.basename(from) !== 'contract.ts' || !isService(folderOf(from))) return undefined;
  const wrong = CONTRACT_MUST_NOT_IMPORT.some((name) => name === path.basename(to));
  return wrong ? 'a contract does not import what carries it out' : undefined;
}

function crosses(from: string, to: string, a: string, b: string): boolean {
  return (from.startsWith(a) && to.startsWith(b)) || (from.startsWith(b) && to.startsWith(a));
}

/** Every import cycle, types included, each told once as a path. */
export function checkCycles(sources: readonly Source[]): string[] {
  const edges = new Map(sources.map((source) => [source.file, localImports(source)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(file);
    if (seen >= 0) found.push(`import cycle: ${[...trail.slice(seen), file].join(' -> ')}`);
    if (seen >= 0 || done.has(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  return found;
}

function localImports(source: Source): string[] {
  return source.imports
    .filter((one) => one.specifier.startsWith('.'))
    .map((one) => resolve(source.file, one.specifier));
}

/** Each dependency known, at home, and in one file; development dependencies only in tests and tools. */
export function checkDependencies(sources: readonly Source[]): string[] {
  const users = new Map<string, Set<string>>();
  const breaches: string[] = [];
  for (const source of sources.filter(isProduction)) {
    for (const { specifier, line } of source.imports) {
      const name = packageOf(specifier);
      if (name === undefined) continue;
      const home = DEPENDENCY_HOMES[name];
      const where = `${source.file}:${line} imports ${name}`;
      if (home === undefined) breaches.push(`${where}: it has no home in test/tidy/rules.ts`);
      else if (!source.file.startsWith(home.under)) breaches.push(`${where}: only ${home.under} may`);
      users.set(name, (users.get(name) ?? new Set()).add(source.file));
    }
  }
  for (const [name, files] of users) {
    if (files.size < 2 || DEPENDENCY_HOMES[name]?.many) continue;
    breaches.push(`${name} is imported by ${[...files].join(', ')}: one file wraps it for all`);
  }
  return breaches;
}

/** Name of the npm package, or undefined for a file of ours and for Node's own modules. */
function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

// ---- the world

/** Clock, timers, randomness, environment, files, network and processes, outside the adapters. */
export function checkWorld(source: Source): string[] {
  if (!isProduction(source)) return [];
  const parts = (Object.keys(WORLD) as WorldPart[]).filter((part) => !mayTouch(source.file, part));
  return parts.flatMap((part) => {
    const { code, modules, instead } = WORLD[part];
    const calls = code === undefined ? [] : [...source.masked.matchAll(code)];
    const taken = source.imports.filter(({ specifier }) => modules.some((module) => module === specifier));
    return [
      ...calls.map((call) => `${source.file}:${lineOf(source.text, call.index)} uses ${call[0].trim()}: ${instead}`),
      ...taken.map(({ specifier, line }) => `${source.file}:${line} imports ${specifier}: ${instead}`),
    ];
  });
}

function mayTouch(file: string, part: WorldPart): boolean {
  return ADAPTERS.some(({ files, may }) => may.includes(part) && matchesGlob(file, files));
}

// ---- size, names, comments, skips

export function checkShape(source: Source): string[] {
  const { file, text } = source;
  const lines = text.trimEnd().split('\n').length;
  const linesMax = LONG_FILES[file]?.lines ?? FILE_LINES_MAX;
  const firstLine = text.startsWith('#!') ? text.split('\n')[1] : text;
  const name = path.basename(file);
  return [
    ...(lines > linesMax ? [`${file} has ${lines} lines, and the limit is ${linesMax}`] : []),
    ...(/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/.test(name) ? [] : [`${file}: file names are kebab-case`]),
    ...(!isProduction(source) || /^\/[/*]/.test(firstLine ?? '')
      ? []
      : [`${file} does not start with a comment on what it owns`]),
  ];
}

/** Ways around the compiler and the linter that leave no reason behind. */
export function checkSuppressions(source: Source): string[] {
  const { file, text } = source;
  const hushed = [...text.matchAll(/^\s*\/[/*]\s*(?:@ts-(?:ignore|nocheck)|biome-ignore-(?:all|start))/gm)];
  const isLong = /^\s*\/\/ biome-ignore lint\/complexity\/noExcessiveLinesPerFunction/m.test(text);
  return [
    ...hushed.map(
      (match) => `${file}:${lineOf(text, match.index)} hides whole checks: suppress one line, with a reason`,
    ),
    ...(isLong && LONG_FUNCTIONS[file] === undefined
      ? [`${file} has a long function without an entry in rules.ts`]
      : []),
    ...(!isLong && LONG_FUNCTIONS[file] !== undefined ? [`${file} needs no entry in LONG_FUNCTIONS any more`] : []),
  ];
}

const BARE_SKIPS = [
  /\bt\.(?:skip|todo|only)\s*\(/g,
  /\b(?:skip|todo)\s*:\s*true\b/g,
  /\b(?:skip|todo)\s*:\s*(?:''|"")/g,
  /\.plan\(\s*0\s*\)/g,
];

/** A test that does not run says why; `skip: missing('aws')` and `t.plan(0, 'why')` do. */
export function checkSkips(source: Source): string[] {
  if (isProduction(source)) return [];
  return BARE_SKIPS.flatMap((form) =>
    [...source.masked.matchAll(form)].map(
      (match) => `${source.file}:${lineOf(source.text, match.index)} skips without a reason: ${match[0]}`,
    ),
  );
}

// ---- which file is what

export function isProduction(source: Source): boolean {
  return !isTool(folderOf(source.file)) && !isTest(source.file);
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts');
}

function isTool(folder: string): boolean {
  return TOOL_FOLDERS.some((one) => one === folder);
}

function isService(folder: string): boolean {
  return CONTRACT_FOLDERS.some((one) => one === folder);
}

function folderOf(file: string): string {
  return file.split('/')[0] ?? '';
}

/** `*` is anything but a slash, `**` anything at all. */
export function matchesGlob(file: string, glob: string): boolean {
  const pattern = glob
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, (stars) => (stars.length > 1 ? '.*' : '[^/]*'));
  return new RegExp(`^${pattern}$`).test(file);
}

function resolve(from: string, specifier: string): string {
  return path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier));
}
