/**
 * An HTTP client with kept connections: the one file that imports undici. Owns connections, time limits and their errors
 * (Fault Unreachable: nobody knows what the server did); knows no API, never retries.
 */
import { Agent } from 'undici';
import { Fault, fabricFaults } from './errors.ts';

export interface HttpCall {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** One that comes piece by piece needs a Content-Length. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** Sent as it is, in place of what is made of the url's: `a/../b` stays what it is. */
  readonly path?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; a repeated one's values are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpClient {
  /** Fault Unreachable when no whole answer came in time, or it is larger than `bodyBytesMax`. */
  call(call: HttpCall): Promise<HttpAnswer>;
  close(): Promise<void>;
}

export interface HttpClientOptions {
  /** Connections to one origin. */
  readonly connections?: number;
  readonly answerMs?: number;
  readonly bodyBytesMax?: number;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
}

const CONNECTIONS = 16;
const CONNECT_MS = 10_000;
const ANSWER_MS = 60_000;
const BODY_BYTES_MAX = 64 * 1024 * 1024;

export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const { connections = CONNECTIONS, answerMs = ANSWER_MS, bodyBytesMax = BODY_BYTES_MAX, ca } = options;
  const agent = new Agent({
    connections,
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
    maxResponseSize: bodyBytesMax,
    connect: { timeout: CONNECT_MS, ...(ca === undefined ? {} : { ca }) },
  });
  return {
    async call({ method, url, headers = {}, body, path }) {
      const { origin, pathname, search } = new URL(url);
      const request = { origin, path: path ?? pathname + search, method: method as 'GET', headers };
      try {
        const answer = await agent.request({ ...request, ...(body === undefined ? {} : { body: body as Uint8Array }) });
        const bytes = Buffer.from(await answer.body.arrayBuffer());
        return { status: answer.statusCode, headers: joined(answer.headers), body: bytes };
      } catch (error) {
        throw new Fault(fabricFaults.unreachable, { origin, reason: (error as Error).message });
      }
    },
    close: () => agent.destroy(),
  };
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) plain[name] = String(value);
  return plain;
}
