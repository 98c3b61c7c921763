/**
 * Counts requests where they enter: by API, method and kind of answer, with the time until the answer began, and the bytes
 * both ways. On the path of every request, so it only adds numbers; labels exist when the metrics page is made. At log
 * level debug it also writes a line a request. It never changes a request or an answer.
 */
import type { Clock } from '../fabric/clock.ts';
import type { HttpBody, HttpBodyStream, HttpHandler, HttpRequest, HttpResponse } from '../fabric/http/contract.ts';
import { type Labels, LatencyGrid, type Reading } from '../fabric/latency-grid.ts';
import type { ProxyWorld } from './contract.ts';

export const APIS = ['swift', 's3'] as const;
export type Api = (typeof APIS)[number];
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'COPY', 'OPTIONS', 'other'] as const;
/** `aborted`: the client left before it was answered. */
const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted'] as const;
const ABORTED = CLASSES.indexOf('aborted');
const METHOD_INDEX: ReadonlyMap<string, number> = new Map(METHODS.map((method, index) => [method, index]));
/** Answers counted by status: 100 to 599; what is no answer counts as 0. */
const STATUSES = 600;
const ID_HEADERS = ['x-trans-id', 'x-amz-request-id'];

const ROWS: readonly Labels[] = APIS.flatMap((api) =>
  METHODS.flatMap((method) => CLASSES.map((status) => ({ api, method, status }))),
);

const methodOf = (method: string): number => METHOD_INDEX.get(method) ?? METHODS.length - 1;
const rowOf = (api: number, method: string, kind: number): number =>
  (api * METHODS.length + methodOf(method)) * CLASSES.length + kind;

export class RequestMeter {
  readonly latencies = new LatencyGrid(ROWS);
  readonly #counts = new Float64Array(APIS.length * METHODS.length * STATUSES);
  readonly #clock: Clock;
  readonly #debug: ProxyWorld['log']['debug'];
  readonly #trace: ProxyWorld['trace'];
  inFlight = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor({ clock, log, trace }: Pick<ProxyWorld, 'clock' | 'log' | 'trace'>) {
    this.#clock = clock;
    this.#trace = trace;
    this.#debug = log.debug?.bind(log);
  }

  wrap(name: Api, answer: HttpHandler): HttpHandler {
    const api = APIS.indexOf(name);
    const trace = this.#trace;
    const handler = trace ? followed(answer, trace) : answer;
    return async (request) => {
      const startMs = this.#clock.monotonicMs();
      this.inFlight++;
      let response: HttpResponse;
      try {
        response = await handler(this.#countedRequest(request));
      } catch (error) {
        this.inFlight--;
        this.#done(api, request, { startMs, kind: ABORTED, response: undefined });
        throw error;
      }
      this.#done(api, request, { startMs, kind: Math.min(5, Math.floor(response.status / 100)) - 1, response });
      return this.#countedResponse(request, response);
    };
  }

  /** Answers by API, method and status code. */
  counts(): Reading[] {
    const readings: Reading[] = [];
    this.#counts.forEach((value, at) => {
      if (value === 0) return;
      const status = at % STATUSES;
      const row = Math.floor(at / STATUSES);
      const api = APIS[Math.floor(row / METHODS.length)] as string;
      const method = METHODS[row % METHODS.length] as string;
      readings.push({ value, labels: { api, method, status: status === 0 ? 'aborted' : String(status) } });
    });
    return readings;
  }

  #done(
    api: number,
    request: HttpRequest,
    { startMs, kind, response }: { startMs: number; kind: number; response: HttpResponse | undefined },
  ): void {
    const ms = this.#clock.monotonicMs() - startMs;
    this.latencies.observe(rowOf(api, request.method, kind), ms);
    const at = (api * METHODS.length + methodOf(request.method)) * STATUSES + (response?.status ?? 0);
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#debug?.(
      {
        transId: response && headerOf(response, ID_HEADERS),
        api: APIS[api],
        method: request.method,
        path: request.path,
        status: response?.status,
        ms: Math.round(ms * 1000) / 1000,
      },
      'request',
    );
  }

  /** A body of known length counts when it is announced; one without is counted as it comes. */
  #countedRequest(request: HttpRequest): HttpRequest {
    const { lengthBytes } = request.body;
    if (lengthBytes === undefined) return new CountedRequest(request, this);
    this.bytesIn += lengthBytes;
    return request;
  }

  #countedResponse(request: HttpRequest, response: HttpResponse): HttpResponse {
    const { body } = response;
    if (typeof body === 'object' && 'next' in body && request.method !== 'HEAD') {
      return { ...response, body: new CountedStream(body, this) };
    }
    this.inFlight--;
    if (body === undefined || request.method === 'HEAD') return response;
    if (typeof body !== 'string') {
      this.bytesOut += (body as Uint8Array).length;
      return response;
    }
    // Text becomes bytes here, because counting them is most of that work.
    const bytes = Buffer.from(body);
    this.bytesOut += bytes.length;
    return { ...response, body: bytes };
  }
}

/** The request as a transaction of its own, body included; it says its name as soon as it has one. */
function followed(answer: HttpHandler, trace: NonNullable<ProxyWorld['trace']>): HttpHandler {
  return (request) =>
    trace.run(undefined, async () => {
      const response = await answer(request);
      const { body } = response;
      const isStream = typeof body === 'object' && 'next' in body;
      return isStream ? { ...response, body: trace.follow(body) } : response;
    });
}

function headerOf({ headers }: HttpResponse, names: readonly string[]): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (names.includes((headers[i] as string).toLowerCase())) return headers[i + 1];
  }
  return undefined;
}

class CountedStream implements HttpBodyStream {
  readonly #inner: HttpBodyStream;
  readonly #meter: RequestMeter;
  #open = true;

  constructor(inner: HttpBodyStream, meter: RequestMeter) {
    this.#inner = inner;
    this.#meter = meter;
  }

  async next(): Promise<Uint8Array | undefined> {
    try {
      const piece = await this.#inner.next();
      if (piece) this.#meter.bytesOut += piece.length;
      else this.#close();
      return piece;
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  cancel(): void {
    this.#close();
    this.#inner.cancel();
  }

  #close(): void {
    if (this.#open) this.#meter.inFlight--;
    this.#open = false;
  }
}

/** A request whose body has no announced length. */
class CountedRequest implements HttpRequest {
  readonly #inner: HttpRequest;
  readonly body: HttpBody;

  constructor(inner: HttpRequest, meter: RequestMeter) {
    this.#inner = inner;
    const { body } = inner;
    this.body = {
      lengthBytes: undefined,
      async read() {
        const piece = await body.read();
        if (piece) meter.bytesIn += piece.length;
        return piece;
      },
      async collect(limitBytes) {
        const whole = await body.collect(limitBytes);
        meter.bytesIn += whole.length;
        return whole;
      },
    };
  }

  get method(): string {
    return this.#inner.method;
  }
  get path(): string {
    return this.#inner.path;
  }
  get query(): string | undefined {
    return this.#inner.query;
  }
  get headers(): ReadonlyMap<string, string> {
    return this.#inner.headers;
  }
  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }
  get tls(): boolean {
    return this.#inner.tls;
  }
  get altersHeaders(): boolean {
    return this.#inner.altersHeaders ?? false;
  }
  get signal(): AbortSignal {
    return this.#inner.signal;
  }
  headerLines(): readonly string[] {
    return this.#inner.headerLines();
  }
}
