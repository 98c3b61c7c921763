import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { diskConformance } from '../test/conformance/disk.ts';
import { createCrashDisk } from '../test/crash-disk.ts';
import { systemDisk } from './system-disk.ts';

t.test('the real disk', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'needletail-disk-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  await diskConformance(t, systemDisk, directory);
});

t.test('the disk that crashes', (t) => diskConformance(t, createCrashDisk(), '/d'));
