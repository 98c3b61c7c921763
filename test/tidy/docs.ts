// Checks that documents name only what exists: paths in ARCHITECTURE.md, and relative links in every document.
// Pure: whether a path exists is asked of the caller.
import path from 'node:path';
import { SOURCE_FOLDERS, TOOL_FOLDERS } from './rules.ts';

const KNOWN_FOLDERS: readonly string[] = [...SOURCE_FOLDERS, ...TOOL_FOLDERS, 'docs', '.ci'];

/** `exists` takes a path from the root and answers for files and folders. */
export function checkNamedPaths(file: string, text: string, exists: (path: string) => boolean): string[] {
  return listNamedPaths(text)
    .filter((named) => !exists(named))
    .map((named) => `${file} names ${named}, which does not exist`);
}

/** Everything in backticks that is a path of ours; {a,b} stands for each, a star for its folder. */
export function listNamedPaths(text: string): string[] {
  const quoted = [...text.matchAll(/`([^`\s]+)`/g)].map((match) => match[1] ?? '');
  const paths = quoted.filter((one) => one.includes('/') && KNOWN_FOLDERS.includes(one.split('/')[0] ?? ''));
  return [...new Set(paths.flatMap(expandBraces).map(cutAtWildcard))];
}

function expandBraces(text: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/.exec(text);
  if (match === null) return [text];
  const [, before = '', choices = '', after = ''] = match;
  return choices.split(',').flatMap((one) => expandBraces(`${before}${one.trim()}${after}`));
}

function cutAtWildcard(text: string): string {
  const cleaned = text.replace(/[#:].*$/, '');
  const star = cleaned.search(/[*<…]|NNNN/);
  return star < 0 ? cleaned : cleaned.slice(0, cleaned.lastIndexOf('/', star) + 1);
}

/** Relative links of a Markdown document, from the root. */
export function checkLinks(file: string, text: string, exists: (path: string) => boolean): string[] {
  const links = [...text.replace(/```[\s\S]*?```/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return links
    .filter((link) => !/^(?:[a-z]+:|#|\/)/.test(link))
    .map((link) => path.posix.join(path.posix.dirname(file), decodeURI(link.replace(/#.*$/, ''))))
    .filter((target) => !exists(target))
    .map((target) => `${file} links to ${target}, which does not exist`);
}
