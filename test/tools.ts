// Finds the real clients that tests drive. A test whose tool is missing passes the reason to `skip`:
//   t.test('aws lists a bucket', { skip: missing('aws') }, async (t) => …)
// Never installs anything: `npm test` does that, from scripts/system-packages.txt.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';

const PROBE_TIMEOUT_MS = 20_000;
const PYTHONS = ['python3', '/usr/bin/python3'] as const;

/** Absolute path of a command, or undefined. */
export function findTool(command: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, command)).find((file) => existsSync(file));
}

/** A Python that has this module (Debian's is not always the first in PATH), or undefined. */
export function findPython(module: string): string | undefined {
  return PYTHONS.find((python) => {
    const options = { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS } as const;
    return spawnSync(python, ['-c', `import ${module}`], options).status === 0;
  });
}

/** The reason to skip, or false when the command is there. */
export function missing(command: string): string | false {
  return findTool(command) === undefined ? `${command} is not installed` : false;
}

/** The reason to skip, or false when some Python has the module. */
export function missingPython(module: string): string | false {
  return findPython(module) === undefined ? `no Python has the module ${module}` : false;
}
