/** What a volume may be called and how large it may be; one-line refusals. */
import { Fault } from '../../fabric/errors.ts';
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from '../repository/contract.ts';
import { type CreateVolume, SIZE_STEP_BYTES, VOLUME_BYTES_MAX, VOLUME_BYTES_MIN, volumeFaults } from './contract.ts';

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const NAME_LENGTH_MAX = 255;

export const busy = (message: string): Fault => new Fault(volumeFaults.busy, {}, message);
export const bad = (message: string): Fault => new Fault(volumeFaults.badRequest, {}, message);

export function checkId(id: string, what: string): void {
  if (!ID.test(id)) throw bad(`"${id}" cannot be the id of a ${what}: letters, digits, "_" and "-", at most 64`);
}

export function checkName(name: string): void {
  if (name.length > NAME_LENGTH_MAX) throw bad(`a name has at most ${NAME_LENGTH_MAX} characters`);
}

export function checkSize(sizeBytes: number): void {
  const isWhole = Number.isSafeInteger(sizeBytes) && sizeBytes % SIZE_STEP_BYTES === 0;
  if (!isWhole || sizeBytes < VOLUME_BYTES_MIN || sizeBytes > VOLUME_BYTES_MAX) {
    throw bad(`a volume has 1 MiB to 16 TiB, in steps of ${SIZE_STEP_BYTES} bytes`);
  }
}

export function checkNew({ id, name = '', sizeBytes, chunkBytes, lineage }: CreateVolume): void {
  checkId(id, 'volume');
  if (lineage !== undefined) checkId(lineage, 'lineage');
  checkName(name);
  checkSize(sizeBytes);
  if (chunkBytes === undefined) return;
  if (chunkBytes < CHUNK_BYTES_MIN || chunkBytes > CHUNK_BYTES_MAX || (chunkBytes & (chunkBytes - 1)) !== 0) {
    throw bad('chunks have 64 KiB to 4 MiB, a power of two');
  }
}
