/** Trees of files to send, the same for every client, and the comparison of what came back, byte for byte. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createSeededRandom } from '../../fabric/random.ts';

const SEED = 11;

/** Above 8 MiB, where clients turn to multipart uploads or segments. */
export const LARGE_BYTES = 9 * 1024 * 1024 + 7;

export const noise = (bytes: number, seed = SEED): Buffer => createSeededRandom(seed).bytes(bytes);

/** Names that need care, sizes on both sides of what is kept inline (64 KiB), and one large file. */
export const TREE: Readonly<Record<string, number>> = {
  empty: 0,
  'one byte': 1,
  'dir/4k': 4096,
  'dir/64k': 65_536,
  'dir/64k and 1': 65_537,
  'dir/深/文件 100% + & ü.txt': 300,
  large: LARGE_BYTES,
};

export const TREE_NAMES: readonly string[] = Object.keys(TREE).sort();

/** Makes the tree below `folder`/`name` and returns its path. */
export function makeTree(folder: string, name: string): string {
  const root = path.join(folder, name);
  for (const [file, bytes] of Object.entries(TREE)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), noise(bytes, SEED + bytes));
  }
  return root;
}

/** Throws unless both trees have the same names with the same bytes. */
export function sameTrees(got: string, expected: string): void {
  same(listFiles(got).join('\n'), listFiles(expected).join('\n'), 'names of the files');
  for (const file of listFiles(expected)) {
    sameBytes(readFileSync(path.join(got, file)), readFileSync(path.join(expected, file)), file);
  }
}

export function sameBytes(got: Buffer, expected: Buffer, what: string): void {
  if (!got.equals(expected))
    throw new Error(`${what}: ${got.length} bytes came back that are not the ${expected.length}`);
}

export function same(got: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}

export function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

export function listFiles(root: string, below = ''): string[] {
  return readdirSync(path.join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const name = path.posix.join(below, entry.name);
      return entry.isDirectory() ? listFiles(root, name) : [name];
    })
    .sort();
}

/** Non-empty lines, sorted. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .sort();
