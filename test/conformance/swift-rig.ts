/**
 * What the Swift suite needs of a server: an address, two users and a client that sends bytes exactly as told. The suite
 * itself neither knows nor cares whether a store in memory or a five-zone cluster answers.
 */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import type { Test } from 'tap';

export interface SwiftUser {
  /** `account:user`. */
  readonly user: string;
  readonly key: string;
}

export interface SwiftServer {
  readonly host: string;
  readonly port: number;
  /** Serves TLS with a certificate that nobody vouches for. */
  readonly tls?: boolean;
  readonly owner: SwiftUser;
  /** Admin of another account. */
  readonly stranger: SwiftUser;
  /** Admin of every account. */
  readonly reseller: SwiftUser;
  /** Plain user of the owner's account, where the store knows such. */
  readonly member?: SwiftUser;
  /** Whose tokens open accounts of services, where there is one. */
  readonly service?: SwiftUser;
  readonly close: () => Promise<void>;
}

export type StartSwift = () => Promise<SwiftServer>;

export interface Answer {
  readonly status: number;
  /** Lower-case name → value, latin1; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly text: string;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** Sends the body without a length. */
  readonly chunked?: boolean;
}

const ANSWER_MS = 20_000;

export class SwiftClient {
  readonly server: SwiftServer;
  readonly #agent: http.Agent;
  token = '';
  /** `/v1/AUTH_test`. */
  base = '';

  constructor(server: SwiftServer, agent: http.Agent) {
    this.server = server;
    this.#agent = agent;
  }

  /** For another client of the same server. */
  get agent(): http.Agent {
    return this.#agent;
  }

  async login({ user, key }: SwiftUser): Promise<void> {
    const answer = await this.raw('GET', '/auth/v1.0', { headers: { 'X-Auth-User': user, 'X-Auth-Key': key } });
    if (answer.status !== 200) throw new Error(`no token: ${answer.status}`);
    this.token = answer.headers['x-auth-token'] ?? '';
    this.base = new URL(answer.headers['x-storage-url'] ?? '').pathname;
  }

  /** As the logged-in user, below the account: `path` is raw, e.g. `/c/o%20x`. */
  ask(method: string, path: string, sent: Sent = {}): Promise<Answer> {
    return this.raw(method, this.base + path, { ...sent, headers: { 'X-Auth-Token': this.token, ...sent.headers } });
  }

  /** Sends these very bytes on a connection of their own and reads until the server closes it. */
  exchange(bytes: string): Promise<string> {
    const { host, port } = this.server;
    const options = { host, port, rejectUnauthorized: false };
    const socket = this.server.tls ? tls.connect(options) : net.connect(options);
    socket.write(bytes, 'latin1');
    return readSocket(socket);
  }

  raw(method: string, path: string, sent: Sent = {}): Promise<Answer> {
    const body = sent.body === undefined ? undefined : Buffer.from(sent.body as string);
    const headers: Record<string, string> = { ...sent.headers };
    if (body !== undefined && !sent.chunked) headers['Content-Length'] ??= String(body.length);
    if (sent.chunked) headers['Transfer-Encoding'] = 'chunked';
    const { host, port } = this.server;
    return new Promise((resolve, reject) => {
      const options = {
        host,
        port,
        method,
        path,
        headers,
        agent: this.#agent,
        timeout: ANSWER_MS,
        rejectUnauthorized: false,
      };
      const request = (this.server.tls ? https : http).request(options, (response) =>
        collect(response, resolve, reject),
      );
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
      // In two steps: node rewrites Content-Disposition when it knows the body as it writes the head.
      if (body !== undefined && body.length > 0) request.write(body);
      request.end();
    });
  }
}

function readSocket(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer in time')));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

function collect(
  response: http.IncomingMessage,
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void,
): void {
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('error', reject);
  response.on('end', () => {
    const headers: Record<string, string> = {};
    const raw = response.rawHeaders;
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] as string).toLowerCase();
      headers[name] = name in headers ? `${headers[name]}, ${raw[i + 1]}` : (raw[i + 1] as string);
    }
    const body = Buffer.concat(chunks);
    resolve({ status: response.statusCode ?? 0, headers, body, text: body.toString('utf8') });
  });
}

export interface Rig {
  readonly t: Test;
  readonly server: SwiftServer;
  readonly client: SwiftClient;
  readonly stranger: SwiftClient;
  readonly anonymous: SwiftClient;
  readonly reseller: SwiftClient;
  readonly member: SwiftClient | undefined;
  /** A container of its own for this test, made; `/name` as in a path. */
  readonly c: string;
}

export type SwiftTest = (rig: Rig) => Promise<void>;
export type SwiftSuite = Readonly<Record<string, SwiftTest>>;

/** Runs every test of the suites against one server, each in a container of its own. */
export async function runSuites(
  t: Test,
  start: StartSwift,
  suites: Readonly<Record<string, SwiftSuite>>,
): Promise<void> {
  const server = await start();
  const agent = new (server.tls ? https : http).Agent({ keepAlive: true });
  t.teardown(async () => {
    agent.destroy();
    await server.close();
  });
  const client = new SwiftClient(server, agent);
  await client.login(server.owner);
  const stranger = new SwiftClient(server, agent);
  await stranger.login(server.stranger);
  const anonymous = new SwiftClient(server, agent);
  anonymous.base = client.base;
  const reseller = new SwiftClient(server, agent);
  await reseller.login(server.reseller);
  reseller.base = client.base;
  const member = server.member && new SwiftClient(server, agent);
  if (member && server.member) await member.login(server.member);
  let count = 0;
  for (const [area, suite] of Object.entries(suites)) {
    for (const [name, test] of Object.entries(suite)) {
      const c = `/c${++count}`;
      await t.test(`${area}: ${name}`, async (t) => {
        t.equal((await client.ask('PUT', c)).status, 201);
        await test({ t, server, client, stranger, anonymous, reseller, member, c });
      });
    }
  }
}

/** UTF-8 text as the byte string that a header carries. */
export function wire(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
