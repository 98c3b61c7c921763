/** What the environment says of where programs are, where sockets may lie, and how much is to be told of a failure. */
import { accessSync, constants } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

/** Whether a command can be run by its bare name. */
export function isInPath(command: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => isRunnable(path.join(folder, command)));
}

/** A folder with a short path that a reboot empties: /run for root, the user's own where there is one. */
export function runtimeBase(): string {
  if (process.getuid?.() === 0) return '/run';
  return process.env['XDG_RUNTIME_DIR'] ?? os.tmpdir();
}

/** DEBUG is set: errors are shown with their stacks. */
export const isDebugWanted = (): boolean => Boolean(process.env['DEBUG']);

function isRunnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
