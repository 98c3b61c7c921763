/**
 * A query over one object, from its document to the stream of messages. Loaded with the first of them. Rows are judged as
 * they arrive, a slice at a time, and the event loop gets its turn in between; nothing is kept but the record under way
 * and what waits to be sent.
 */
import type { Clock } from '../../../fabric/clock.ts';
import { Fault, fabricFaults, isFault } from '../../../fabric/errors.ts';
import type { HttpBodyStream } from '../../../fabric/http/contract.ts';
import type { XmlElement } from '../../../fabric/xml.ts';
import type { Body, OpenObject } from '../../object/contract.ts';
import { answerFor, s3Fault } from '../errors.ts';
import { CsvInput, type CsvRow } from './csv-input.ts';
import type { Input, Window } from './input.ts';
import { JsonDocument, JsonLines } from './json-input.ts';
import { RECORD_BYTES_MAX } from './limits.ts';
import * as messages from './messages.ts';
import { createWriter } from './output.ts';
import { createPlan, type Plan } from './plan.ts';
import { type CsvFormat, readRequest, type ScanRange, type SelectRequest } from './request.ts';
import { type Scanned, scan } from './scan.ts';
import { parseQuery } from './sql-parser.ts';
import type { Query } from './sql-types.ts';

/** At a time, in this process; each has a record or two in memory, and one that unpacks bzip2 a thread. */
const QUERIES_MAX = 16;
/** Of a Records message. */
const RECORDS_LENGTH = 64 * 1024;
/** Rows are gone through for so long before others get a turn. */
const TURN_MS = 5;
/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 32;
/** Nothing sent for this long: a Cont message keeps the connection. */
const SILENCE_MS = 10_000;
/** Bytes of the object between two Progress messages. */
const PROGRESS_BYTES = 4 * 1024 * 1024;
/** Bytes within which a failure still is the status of the answer. */
const PRIMED_BYTES = 2 * RECORD_BYTES_MAX;

let queries = 0;

export interface SelectWorld {
  readonly clock: Clock;
  /** Told of failures within the stream that no client can make. */
  readonly onError: (error: unknown) => void;
}

export interface Prepared {
  readonly request: SelectRequest;
  readonly query: Query;
}

/** Faults of SELECT_CODES, MalformedXML. */
export function prepare(root: XmlElement): Prepared {
  const request = readRequest(root);
  return { request, query: parseQuery(request.expression) };
}

/** The answer's body, once it is known to begin well. Faults of SELECT_CODES and of the store. */
export async function start(open: OpenObject, prepared: Prepared, world: SelectWorld): Promise<HttpBodyStream> {
  if (queries >= QUERIES_MAX) throw s3Fault('Busy');
  const selection = new Selection(open, prepared, world);
  const stream = selection.messages();
  queries++;
  let isOver = false;
  const leave = (): void => {
    if (!isOver) queries--;
    isOver = true;
  };
  const next = async (): Promise<Buffer | undefined> => {
    try {
      const { value } = await stream.next();
      if (value === undefined) leave();
      return value;
    } catch (error) {
      leave();
      throw error;
    }
  };
  let first = await next();
  return {
    async next() {
      const message = first ?? (await next());
      first = undefined;
      return message;
    },
    cancel() {
      leave();
      selection.cancel();
      // It may be in the middle of something, and ends then.
      void stream.return(undefined).catch(() => {});
    },
  };
}

class Selection {
  readonly #open: OpenObject;
  readonly #prepared: Prepared;
  readonly #clock: Clock;
  readonly #onError: SelectWorld['onError'];
  readonly #counts = { scanned: 0, processed: 0, returned: 0 } satisfies Scanned & messages.Counts;
  #body: Body | undefined;
  #isCancelled = false;
  #turnBeganMs = 0;

  constructor(open: OpenObject, prepared: Prepared, { clock, onError }: SelectWorld) {
    this.#open = open;
    this.#prepared = prepared;
    this.#clock = clock;
    this.#onError = onError;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#body?.cancel();
  }

  /** A failure before anything was sent is thrown; after that it is the last message. */
  async *messages(): AsyncGenerator<Buffer, undefined> {
    let hasBegun = false;
    try {
      for await (const message of this.#run()) {
        hasBegun = true;
        yield message;
      }
    } catch (error) {
      if (!hasBegun) throw error;
      const { code, message, status } = answerFor(error);
      if (status >= 500 || !isFault(error)) this.#onError(error);
      yield messages.failure(code, message);
    } finally {
      this.#body?.cancel();
    }
    return undefined;
  }

  async *#run(): AsyncGenerator<Buffer> {
    const { input } = this.#prepared.request;
    const { query } = this.#prepared;
    const { bytes, window } = this.#window();
    if (input.kind === 'csv') {
      const header = await this.#header(input, window);
      yield* this.#select(new CsvInput(input, { alias: query.alias, window, header }), bytes);
    } else if (input.type === 'LINES') yield* this.#select(new JsonLines(query, window), bytes);
    else yield* this.#select(new JsonDocument(query), bytes);
  }

  async *#select<Row>(input: Input<Row>, bytes: Bytes): AsyncGenerator<Buffer> {
    const { request, query } = this.#prepared;
    if (input instanceof CsvInput && query.from.length > 0)
      throw s3Fault('InvalidKeyPath', 'A path in FROM is for JSON.');
    const writer = createWriter(request.output);
    const plan = createPlan(query, { input, writer, world: { nowMs: this.#clock.nowMs() } });
    const take = (): Buffer => {
      const payload = writer.take();
      this.#counts.returned += payload.length;
      return messages.records(payload);
    };
    let toldAtMs = this.#clock.monotonicMs();
    let toldOf = 0;
    this.#body = this.#open.open(bytes.offset, bytes.length);
    for await (const slice of scan(this.#body, request.compression, this.#counts)) {
      await this.#feed(plan, input.push(slice));
      if (plan.isDone || input.isOver || this.#isCancelled) break;
      const isDue = request.progress && this.#counts.scanned - toldOf >= PROGRESS_BYTES;
      const isFull = writer.length >= RECORDS_LENGTH;
      const isQuiet = this.#clock.monotonicMs() - toldAtMs > SILENCE_MS || this.#isPrimed(toldOf);
      if (!isDue && !isFull && !isQuiet) continue;
      if (isFull) yield take();
      if (isDue) yield messages.progress(this.#counts);
      if (!isFull && !isDue) yield messages.continuation();
      toldAtMs = this.#clock.monotonicMs();
      toldOf = this.#counts.scanned;
    }
    if (!plan.isDone) await this.#feed(plan, input.end());
    plan.finish();
    if (writer.length > 0) yield take();
    if (request.progress) yield messages.progress(this.#counts);
    yield messages.stats(this.#counts);
    yield messages.end();
  }

  #isPrimed(toldOf: number): boolean {
    return toldOf === 0 && this.#counts.processed >= PRIMED_BYTES;
  }

  async #feed<Row>(plan: Plan<Row>, rows: Iterable<Row>): Promise<void> {
    let count = 0;
    for (const row of rows) {
      if (plan.isDone) return;
      plan.add(row);
      if (++count % ROWS_PER_LOOK === 0) await this.#giveTurn();
    }
    await this.#giveTurn();
  }

  async #giveTurn(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#turnBeganMs < TURN_MS) return;
    await new Promise<void>((resolve) => this.#clock.nextTurn(resolve));
    if (this.#isCancelled) throw new Fault(fabricFaults.aborted, {});
    this.#turnBeganMs = this.#clock.monotonicMs();
  }

  /** What is to be read, and which records of it count. */
  #window(): { readonly bytes: Bytes; readonly window: Window | undefined } {
    const { sizeBytes } = this.#open.info;
    const { range, input } = this.#prepared.request;
    if (!range) return { bytes: { offset: 0, length: sizeBytes }, window: undefined };
    const { start, last } = resolveRange(range, sizeBytes);
    // A record that begins right at the start has its delimiter before it.
    const delimiter = input.kind === 'csv' ? (input.recordDelimiter ?? '\n') : '\n';
    const offset = Math.max(start - Buffer.byteLength(delimiter), 0);
    const window = { startOffset: offset, skipsFirst: start > 0, lastOffset: last };
    return { bytes: { offset, length: sizeBytes - offset }, window };
  }

  /** Of a file that is not read from its beginning. */
  async #header(format: CsvFormat, window: Window | undefined): Promise<CsvRow | undefined> {
    if (format.header !== 'USE' || !window?.skipsFirst) return undefined;
    const length = Math.min(this.#open.info.sizeBytes, RECORD_BYTES_MAX);
    const input = new CsvInput({ ...format, header: 'NONE' }, { alias: '' });
    this.#body = this.#open.open(0, length);
    for await (const slice of scan(this.#body, 'NONE', this.#counts)) {
      for (const row of input.push(slice)) {
        this.#body.cancel();
        return row;
      }
    }
    return undefined;
  }
}

interface Bytes {
  readonly offset: number;
  readonly length: number;
}

/** Fault InvalidScanRange. */
function resolveRange({ start, end }: ScanRange, sizeBytes: number): { readonly start: number; readonly last: number } {
  if (start === undefined) return { start: Math.max(sizeBytes - (end ?? 0), 0), last: sizeBytes };
  if (start >= sizeBytes && sizeBytes > 0) throw s3Fault('InvalidScanRange');
  return { start, last: end ?? sizeBytes };
}
