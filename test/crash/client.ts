/** A plain client of the Swift API: one request, one answer or one failure, and how long it took. Never retries. */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const ANSWER_MS = 30_000;
const CONNECTIONS_MAX = 128;

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly ms: number;
}

export class Client {
  readonly #directory: string;
  #agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  #url = new URL('http://127.0.0.1');
  #token = '';
  #base = '';

  /** `directory`: the cluster's; its credentials are used. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async login(url: string): Promise<void> {
    this.#agent.destroy();
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
    this.#url = new URL(url);
    const { swift } = JSON.parse(readFileSync(path.join(this.#directory, 'credentials.json'), 'utf8'));
    const answer = await this.raw('GET', '/auth/v1.0', { 'X-Auth-User': swift.user, 'X-Auth-Key': swift.key });
    if (answer.status !== 200) throw new Error(`no token: ${answer.status}`);
    this.#token = String(answer.headers['x-auth-token']);
    this.#base = new URL(String(answer.headers['x-storage-url'])).pathname;
  }

  /** Below the account. Rejects when the connection breaks: then nobody knows what became of the request. */
  ask(method: string, place: string, body?: Buffer): Promise<Answer> {
    return this.askWith(method, place, { 'Content-Type': 'application/octet-stream' }, body);
  }

  askWith(method: string, place: string, headers: Record<string, string>, body?: Buffer): Promise<Answer> {
    return this.raw(method, this.#base + place, { 'X-Auth-Token': this.#token, ...headers }, body);
  }

  async metrics(): Promise<string> {
    return (await this.raw('GET', '/metrics', {})).body.toString();
  }

  raw(method: string, place: string, headers: Record<string, string>, body?: Buffer): Promise<Answer> {
    const startedMs = performance.now();
    const { hostname: host, port } = this.#url;
    const length = method === 'PUT' || method === 'POST' ? { 'Content-Length': String(body?.length ?? 0) } : {};
    return new Promise((resolve, reject) => {
      const options = { host, port, method, path: place, headers: { ...headers, ...length }, agent: this.#agent };
      const request = http.request({ ...options, timeout: ANSWER_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (!response.complete) return reject(new Error('the answer was cut short'));
          const answer = { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
          resolve({ ...answer, ms: performance.now() - startedMs });
        });
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
