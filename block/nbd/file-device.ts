/**
 * A file as a device, through `Disk`: what is not written yet reads as zeroes. Cannot tell holes or punch them (node has no
 * call for it), so it offers neither trim nor block status. Owns the open file; one device a file.
 */

import type { Disk, DiskFile } from '../../fabric/disk.ts';
import { Fault } from '../../fabric/errors.ts';
import { type NbdDevice, nbdFaults, type WriteOptions, type ZeroOptions } from './contract.ts';

const ZEROES = Buffer.alloc(1024 * 1024);

export interface FileDeviceOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly sizeBytes: number;
  readonly readOnly?: boolean;
}

export async function openFileDevice(options: FileDeviceOptions): Promise<NbdDevice> {
  const readOnly = options.readOnly ?? false;
  const file = await options.disk.open(options.path, readOnly ? 'read' : 'write');
  return new FileDevice(file, options.sizeBytes, readOnly);
}

class FileDevice implements NbdDevice {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly #file: DiskFile;

  constructor(file: DiskFile, sizeBytes: number, readOnly: boolean) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.readOnly = readOnly;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = length <= 4096 ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
    const got = await this.#file.read(bytes, offset);
    return got < length ? bytes.fill(0, got) : bytes;
  }

  async write(offset: number, buffers: readonly Uint8Array[], options: WriteOptions): Promise<void> {
    await this.#file.write(buffers, offset);
    if (options.fua) await this.#file.datasync();
  }

  flush(): Promise<void> {
    return this.#file.datasync();
  }

  async writeZeroes(offset: number, length: number, options: ZeroOptions): Promise<void> {
    if (options.fast) throw new Fault(nbdFaults.unsupported, {}, 'a file is zeroed by writing');
    for (let done = 0; done < length; done += ZEROES.length)
      await this.#file.write([ZEROES.subarray(0, Math.min(ZEROES.length, length - done))], offset + done);
    if (options.fua) await this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
