/**
 * QEMU's own NBD client, as a guest would have it: qemu-io with `reconnect-delay`, fed one command after another. An answer
 * that tells of an error fails the call.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { UnixUri } from './volume-bed.ts';

const PROMPT = 'qemu-io> ';
const RECONNECT_SECONDS = 20;
const ANSWER_MS_MAX = 25_000;

export class QemuClient {
  readonly #child: ChildProcessWithoutNullStreams;
  #told = '';
  #wake: () => void = () => {};

  private constructor({ endpoint, exportName }: UnixUri) {
    const image = `driver=nbd,server.type=unix,server.path=${endpoint.path},export=${exportName}`;
    const options = `${image},reconnect-delay=${RECONNECT_SECONDS},discard=unmap`;
    this.#child = spawn('qemu-io', ['--image-opts', options], { stdio: 'pipe' });
    const take = (bytes: Buffer): void => {
      this.#told += bytes.toString('latin1');
      this.#wake();
    };
    this.#child.stdout.on('data', take);
    this.#child.stderr.on('data', take);
    this.#child.once('exit', () => this.#wake());
  }

  static async open(t: { teardown(run: () => unknown): void }, uri: UnixUri): Promise<QemuClient> {
    const client = new QemuClient(uri);
    t.teardown(() => client.close());
    await client.#answer();
    return client;
  }

  /** E.g. `write -P 7 0 64k`, `read -P 7 0 64k`, `discard 0 1M`, `flush`. */
  async command(line: string): Promise<void> {
    this.#child.stdin.write(`${line}\n`);
    const told = await this.#answer();
    if (/fail|error|rror:|nvalid/i.test(told)) throw new Error(`${line}: ${told}`);
  }

  async #answer(): Promise<string> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_MS_MAX);
    try {
      while (!this.#told.endsWith(PROMPT)) {
        if (this.#child.exitCode !== null || this.#child.signalCode !== null)
          throw new Error(`qemu-io ended: ${this.#told}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return this.#told;
    } finally {
      clearTimeout(timer);
      this.#told = '';
    }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }
}
