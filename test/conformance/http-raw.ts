/**
 * A client that sends exactly the bytes it is given and reads responses as a strict parser would: the suite must see
 * what is on the wire, which no ordinary client shows. Every wait is bounded.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly headers: Map<string, string[]>;
  readonly body: Buffer;
}

const WAIT_MS = 20_000;

export class RawClient {
  readonly socket: Socket;
  #pieces: Buffer[] = [];
  #size = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#pieces.push(bytes);
      this.#size += bytes.length;
      this.#wake?.();
    });
    socket.on('error', () => {});
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#closed = true;
        this.#wake?.();
      });
    }
  }

  send(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  /** The next response; `method` says whether a body follows. Interim 1xx are returned as responses of their own. */
  async response(method = 'GET'): Promise<RawResponse> {
    const headEnd = await this.#find('\r\n\r\n');
    const head = this.#take(headEnd + 4).toString('latin1');
    const [statusLine, ...lines] = head.trimEnd().split('\r\n');
    const headers = new Map<string, string[]>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
    }
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine!)?.[1]);
    const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    const body = bodiless ? Buffer.alloc(0) : await this.#body(headers);
    return { status, head, headers, body };
  }

  /** Everything until the server closes. */
  async rest(): Promise<Buffer> {
    while (!this.#closed) await this.#more();
    return this.#take(this.#size);
  }

  close(): void {
    this.socket.destroy();
  }

  async #body(headers: Map<string, string[]>): Promise<Buffer> {
    const length = headers.get('content-length');
    if (length !== undefined) {
      while (this.#size < Number(length[0])) await this.#moreOrFail();
      return this.#take(Number(length[0]));
    }
    if (headers.get('transfer-encoding') === undefined) return this.rest();
    const pieces: Buffer[] = [];
    for (;;) {
      const size = Number.parseInt(this.#take((await this.#find('\r\n')) + 2).toString('latin1'), 16);
      while (this.#size < size + 2) await this.#moreOrFail();
      if (size > 0) pieces.push(this.#take(size));
      this.#take(2);
      if (size === 0) return Buffer.concat(pieces);
    }
  }

  #all(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!;
  }

  #take(bytes: number): Buffer {
    const all = this.#all();
    this.#pieces = [all.subarray(bytes)];
    this.#size -= bytes;
    return all.subarray(0, bytes);
  }

  async #find(text: string): Promise<number> {
    for (;;) {
      const at = this.#all().indexOf(text, 0, 'latin1');
      if (at >= 0) return at;
      await this.#moreOrFail();
    }
  }

  async #moreOrFail(): Promise<void> {
    if (this.#closed)
      throw new Error(`connection closed after ${JSON.stringify(this.#all().toString('latin1').slice(0, 200))}`);
    await this.#more();
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing came for too long')), WAIT_MS);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

export function connectRaw(port: number, tls: boolean): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const host = '127.0.0.1';
    const socket = tls
      ? connectTls({ host, port, rejectUnauthorized: false }, () => resolve(new RawClient(socket)))
      : connectPlain({ host, port, allowHalfOpen: true }, () => resolve(new RawClient(socket)));
    socket.once('error', reject);
  });
}
