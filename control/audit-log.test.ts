import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Disk } from '../fabric/disk.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import type { AuditEntry } from './audit.ts';
import { openAuditLog } from './audit-log.ts';

const entry = (operation: string, target: Record<string, unknown> = {}): AuditEntry => ({
  time: '2026-01-01T00:00:00.000Z',
  service: 'test',
  operation,
  requestId: 'req-1',
  remoteAddress: '127.0.0.1',
  method: 'POST',
  path: '/v3/things',
  status: 202,
  target,
});

function makeFolder(t: Test): { folder: string; names(): string[]; lines(): Record<string, unknown>[] } {
  const folder = join(mkdtempSync(join(tmpdir(), 'needletail-audit-')), 'audit');
  t.teardown(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
  const names = (): string[] => readdirSync(folder).sort();
  const text = (): string =>
    names()
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
  return {
    folder,
    names,
    lines: () =>
      text()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

const fail = (error: unknown): never => {
  throw error;
};

t.test('lines, without secrets, across restarts', async (t) => {
  const { folder, names, lines } = makeFolder(t);
  let log = await openAuditLog({ disk: systemDisk, folder, onError: fail });
  log.write(entry('a', { volume_id: 'v', admin_password: 'p1', nested: { secret: 'p2', list: [{ token: 'p3' }] } }));
  log.write(entry('b', { name: 'x'.repeat(1000) }));
  await log.flush();
  await log.close();
  log.write(entry('too late'));
  t.same(
    lines().map(({ operation }) => operation),
    ['a', 'b'],
  );
  t.match(lines()[0], {
    requestId: 'req-1',
    target: { volume_id: 'v', admin_password: '***', nested: { secret: '***' } },
  });
  t.notMatch(JSON.stringify(lines()), /p[123]"/);
  appendFileSync(join(folder, names()[0] as string), '{"torn":');
  log = await openAuditLog({ disk: systemDisk, folder, onError: fail });
  log.write(entry('c'));
  await log.close();
  t.equal(names().length, 1);
  const text = readFileSync(join(folder, names()[0] as string), 'utf8');
  t.match(text, /\{"torn":\n\{.*"operation":"c"/);
});

t.test('files are cut and the oldest removed', async (t) => {
  const { folder, names, lines } = makeFolder(t);
  const log = await openAuditLog({ disk: systemDisk, folder, fileBytesMax: 600, filesKept: 3, onError: fail });
  for (let i = 0; i < 20; i++) {
    log.write(entry(`op ${i}`));
    await log.flush();
  }
  await log.close();
  t.ok(names().length <= 3);
  t.equal(lines().at(-1)?.['operation'], 'op 19');
});

t.test('a disk that fails: lost lines are counted', async (t) => {
  const { folder, lines, names } = makeFolder(t);
  let broken = false;
  const disk: Disk = {
    ...systemDisk,
    async open(path, mode) {
      const file = await systemDisk.open(path, mode);
      return Object.assign(Object.create(file), {
        write: (buffers: Uint8Array[], at: number) =>
          broken ? Promise.reject(new Error('EIO')) : file.write(buffers, at),
        read: file.read.bind(file),
        size: file.size.bind(file),
        datasync: file.datasync.bind(file),
        close: file.close.bind(file),
      });
    },
  };
  const errors: unknown[] = [];
  const log = await openAuditLog({ disk, folder, onError: (error) => errors.push(error) });
  log.write(entry('a'));
  await log.flush();
  broken = true;
  log.write(entry('b'));
  log.write(entry('c'));
  await log.flush();
  broken = false;
  log.write(entry('d'));
  await log.close();
  t.equal(errors.length, 1);
  t.equal(names().length, 2);
  t.same(
    lines().map((one) => one['operation'] ?? one),
    ['a', { lost: 2 }, 'd'],
  );
});
