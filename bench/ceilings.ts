/** What the machine could do if a store did nothing else: the rows of the same run are read against these. */
import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bodyOf } from './load/plan.ts';
import type { Ceilings } from './result-format.ts';

const RECORD_BYTES = 4096;
const GROUP = 64;
const SECONDS = 1.5;

export function measureCeilings(parent = tmpdir()): Ceilings {
  return { appendsPerSecond: appendsPerSecond(parent), md5MegabytesPerSecond: md5MegabytesPerSecond() };
}

function appendsPerSecond(parent: string): number {
  const directory = mkdtempSync(path.join(parent, 'needletail-ceiling-'));
  const file = openSync(path.join(directory, 'log'), 'w');
  const group = bodyOf(RECORD_BYTES * GROUP);
  try {
    return (
      GROUP *
      perSecond(() => {
        writeSync(file, group);
        fdatasyncSync(file);
      })
    );
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true, force: true });
  }
}

function md5MegabytesPerSecond(): number {
  const block = bodyOf(1 << 20);
  return (block.length / 1e6) * perSecond(() => void createHash('md5').update(block).digest());
}

function perSecond(action: () => void): number {
  const startMs = performance.now();
  let count = 0;
  while (performance.now() - startMs < SECONDS * 1000) {
    action();
    count++;
  }
  return (count / (performance.now() - startMs)) * 1000;
}
