/** One process at a time owns a data directory: DIR/lock holds its pid. A lock whose process is gone is taken over. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { Fault } from '../../fabric/errors.ts';
import { readIfThere } from './identity.ts';

export function lockDirectory(directory: string): () => void {
  const file = path.join(directory, 'lock');
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = openSync(file, 'wx', 0o600);
      writeSync(handle, `${process.pid}\n`);
      closeSync(handle);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const pid = lockHolder(directory);
      if (pid !== undefined && pid !== process.pid) {
        throw new Fault('DirectoryInUse', { directory, pid }, `${directory} is in use by process ${pid}`);
      }
      rmSync(file, { force: true });
    }
  }
  throw new Fault('DirectoryInUse', { directory }, `${directory} is in use`);
}

/** The live process that owns the directory, if any. */
export function lockHolder(directory: string): number | undefined {
  const pid = Number(readIfThere(path.join(directory, 'lock')));
  return pid > 0 && isAlive(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
