/** Guesses a content type from an object's name. The only file that imports mrmime. */
import { lookup } from 'mrmime';

const UNKNOWN = 'application/octet-stream';

export function guessContentType(name: string): string {
  return lookup(name) ?? UNKNOWN;
}
