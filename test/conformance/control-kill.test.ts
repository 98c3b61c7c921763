/** kill -9 of a real process at each step of a task: whatever the moment, the next start brings task and thing to a true end. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const CHILD = fileURLToPath(new URL('./control-kill-child.js', import.meta.url));

/** Its lines until it ends; killed when it has said `killAt`. */
async function run(folder: string, id: string, kind: string, killAt: string | undefined): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, folder, id, kind], { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line === killAt) child.kill('SIGKILL');
  }
  clearTimeout(timer);
  return lines;
}

t.test('kill -9 at every step', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'needletail-kill-'));
  mkdirSync(join(folder, 'store'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const points = ['made', 'begin 0', 'end 0', 'begin 2', 'end 3', 'settle'];
  let failed = 0;
  for (const kind of ['test.resumes', 'test.fails']) {
    for (const point of points) {
      const id = `${kind} ${point}`.replaceAll(' ', '-');
      const first = await run(folder, id, kind, point);
      t.ok(first.includes(point));
      const second = await run(folder, id, kind, undefined);
      const result = second.at(-1) ?? '';
      const allowed = kind === 'test.resumes' ? ['RESULT available 4'] : ['RESULT available 4', 'RESULT error 0'];
      t.ok(allowed.includes(result), `${id}: ${result}`);
      if (result === 'RESULT error 0') failed++;
    }
  }
  t.ok(failed > 0, 'some were killed in the middle');
  const twice = 'dies-in-clean-up';
  await run(folder, twice, 'test.fails', 'begin 1');
  await run(folder, twice, 'test.fails', 'cleanup');
  t.equal((await run(folder, twice, 'test.fails', undefined)).at(-1), 'RESULT error 0');
});
