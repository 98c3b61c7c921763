/** bzip2, by the one file that imports seek-bzip. Slow and synchronous: call it on a thread. */
import bunzip from 'seek-bzip';

/** Throws an Error for anything that is not a whole bzip2 file. */
export function bunzip2(bytes: Uint8Array): Buffer {
  return bunzip.decode(bytes);
}
