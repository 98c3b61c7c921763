/**
 * The audit log on disk: a JSON line for each entry in numbered files of a bounded size, the oldest removed. Lines are written in
 * the background, all that wait in one write and one sync; requests never wait for it. When the disk cannot keep up or fails,
 * lines are lost, and the next line that is written says how many. Fields whose names sound secret are never written.
 */
import { join } from 'node:path';
import type { Disk, DiskFile } from '../fabric/disk.ts';
import type { AuditEntry, AuditLog } from './audit.ts';

const FILE_BYTES_MAX = 64 * 1024 * 1024;
const FILES_KEPT = 16;
/** Lines waiting; more are lost. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
const VALUE_CHARS_MAX = 256;
const DEPTH_MAX = 4;

const SECRET = /password|secret|token|blob|passcode|otp|private|auth_key|signature|authorization|cookie/i;
const FILE_NAME = /^audit-(\d{8})\.jsonl$/;

export interface AuditLogOptions {
  readonly disk: Disk;
  /** Made when it is not there. */
  readonly folder: string;
  readonly fileBytesMax?: number;
  readonly filesKept?: number;
  readonly onError: (error: unknown) => void;
}

export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  await options.disk.makeDirectory(options.folder);
  const numbers = await listNumbers(options);
  return new FileAuditLog(options, numbers.at(-1) ?? 1);
}

async function listNumbers({ disk, folder }: AuditLogOptions): Promise<number[]> {
  const names = await disk.list(folder);
  return names.flatMap((name) => FILE_NAME.exec(name)?.[1] ?? []).map(Number);
}

const fileName = (number: number): string => `audit-${String(number).padStart(8, '0')}.jsonl`;

class FileAuditLog implements AuditLog {
  readonly #options: AuditLogOptions;
  #number: number;
  #file: DiskFile | undefined;
  #sizeBytes = 0;
  #lines: string[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(options: AuditLogOptions, number: number) {
    this.#options = options;
    this.#number = number;
  }

  write(entry: AuditEntry): void {
    if (this.#closed) return;
    const line = `${JSON.stringify({ ...entry, target: withoutSecrets(entry.target, 0) })}\n`;
    if (this.#waitingBytes + line.length > QUEUE_BYTES_MAX) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#waitingBytes += line.length;
    this.#writing ??= this.#run();
  }

  async flush(): Promise<void> {
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #run(): Promise<void> {
    // Whoever writes in this turn shares the sync.
    await Promise.resolve();
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      this.#lines = [];
      this.#waitingBytes = 0;
      if (this.#lost > 0) lines.unshift(`${JSON.stringify({ lost: this.#lost })}\n`);
      const lost = this.#lost;
      try {
        await this.#append(Buffer.from(lines.join('')));
        this.#lost -= lost;
      } catch (error) {
        this.#lost += lines.length;
        this.#options.onError(error);
        await this.#leaveFile();
      }
    }
    this.#writing = undefined;
  }

  async #append(bytes: Buffer): Promise<void> {
    const { fileBytesMax = FILE_BYTES_MAX } = this.#options;
    if (this.#file && this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > fileBytesMax) await this.#leaveFile();
    this.#file ??= await this.#openFile();
    await this.#file.write([bytes], this.#sizeBytes);
    await this.#file.datasync();
    this.#sizeBytes += bytes.length;
  }

  /** After a failed sync too: what the file holds is then not known, so the next one begins. */
  async #leaveFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    this.#number++;
    await file.close().catch(this.#options.onError);
  }

  async #openFile(): Promise<DiskFile> {
    const { disk, folder, filesKept = FILES_KEPT } = this.#options;
    const numbers = await listNumbers(this.#options);
    for (const old of numbers.filter((one) => one <= this.#number - filesKept)) {
      await disk.remove(join(folder, fileName(old)));
    }
    const isThere = numbers.includes(this.#number);
    const file = await disk.open(join(folder, fileName(this.#number)), isThere ? 'write' : 'create');
    this.#sizeBytes = await file.size();
    if (this.#sizeBytes > 0) await this.#endTornLine(file);
    return file;
  }

  /** A process that died may have left half a line. */
  async #endTornLine(file: DiskFile): Promise<void> {
    const last = Buffer.alloc(1);
    await file.read(last, this.#sizeBytes - 1);
    if (last[0] === 0x0a) return;
    await file.write([Buffer.from('\n')], this.#sizeBytes);
    this.#sizeBytes++;
  }
}

function withoutSecrets(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > VALUE_CHARS_MAX ? `${value.slice(0, VALUE_CHARS_MAX)}…` : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '…';
  if (Array.isArray(value)) return value.map((one) => withoutSecrets(one, depth + 1));
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, one]) => [name, SECRET.test(name) ? '***' : withoutSecrets(one, depth + 1)]),
  );
}
