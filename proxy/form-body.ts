/**
 * Forms as browsers post them (multipart/form-data, RFC 7578), part by part as they arrive: fields small and whole, files
 * as bodies to be read before the next part comes. Judges nothing. The only file that imports busboy.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import createParser from 'busboy';
import type { BodySource } from './object/contract.ts';

/** Beyond it a field's value is cut, as Swift does. */
export const FIELD_BYTES_MAX = 4096;
const PARTS_MAX = 1_000;

export interface FormField {
  readonly field: string;
  readonly value: string;
}

export interface FormFile {
  /** Of the field. */
  readonly name: string;
  readonly filename: string;
  /** As the part says. */
  readonly contentType: string;
  /** Next piece, or undefined at the end. Throws when the form ends before it. */
  read(): Promise<Uint8Array | undefined>;
}

/** `contentType`: of the request, with its boundary. `fieldBytesMax`: fields are cut there. Throws what is wrong with the form, and what reading `body` throws. */
export async function* readForm(
  body: BodySource,
  contentType: string,
  fieldBytesMax = FIELD_BYTES_MAX,
): AsyncGenerator<FormField | FormFile, undefined> {
  const boundary = boundaryOf(contentType);
  const parser = createParser({
    headers: { 'content-type': `multipart/form-data; boundary="${boundary.replace(/["\\]/g, '\\$&')}"` },
    preservePath: true,
    defParamCharset: 'utf8',
    limits: { fieldSize: fieldBytesMax, parts: PARTS_MAX, headerPairs: 50 },
  });
  const waiting: (
    | FormField
    | { readonly name: string; readonly file: Readable; readonly filename: string; readonly contentType: string }
  )[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake = (): void => {};
  const ends = (error?: Error): void => {
    failure ??= error;
    ended = true;
    wake();
  };
  parser.on('field', (field, value) => {
    waiting.push({ field, value });
    wake();
  });
  parser.on('file', (name, file, { filename, mimeType }) => {
    file.on('error', () => {});
    waiting.push({ name, file, filename: filename ?? '', contentType: mimeType });
    wake();
  });
  parser.on('error', (error) => ends(error as Error));
  parser.on('close', () => ends());
  const fed = feed(new WholeForm(body, boundary), parser, ends);
  try {
    while (true) {
      const part = waiting.shift();
      if (part === undefined) {
        if (ended) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if ('field' in part) yield part;
      else {
        const pieces = part.file[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
        const { name, filename, contentType: type } = part;
        yield {
          name,
          filename,
          contentType: type,
          read: async () => (await pieces.next()).value as Buffer | undefined,
        };
        part.file.resume();
      }
    }
    if (failure) throw failure;
  } finally {
    parser.destroy();
    await fed;
  }
}

/** Throws when there is none, or the type is another. */
function boundaryOf(contentType: string): string {
  const found = /^\s*multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(contentType);
  const boundary = found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2] ?? '';
  if (boundary === '') throw new Error('Multipart: Boundary not found');
  return boundary;
}

/**
 * A form to its closing delimiter; the rest is read and left out. The parser takes parts behind the end for files, and
 * waits for ever for one that never ends.
 */
class WholeForm {
  readonly #body: BodySource;
  readonly #delimiter: Buffer;
  /** What may be the beginning of the delimiter. The first one needs no line before it. */
  #kept: Buffer = Buffer.from('\r\n');
  #isOver = false;

  constructor(body: BodySource, boundary: string) {
    this.#body = body;
    this.#delimiter = Buffer.from(`\r\n--${boundary}--`, 'latin1');
  }

  async read(): Promise<Uint8Array | undefined> {
    for (let piece = await this.#body.read(); piece; piece = await this.#body.read()) {
      if (!this.#isOver) return this.#upToEnd(piece);
    }
    return undefined;
  }

  #upToEnd(piece: Uint8Array): Uint8Array {
    const before = this.#kept.length;
    const seen = Buffer.concat([this.#kept, piece]);
    const at = seen.indexOf(this.#delimiter);
    if (at < 0) {
      this.#kept = seen.subarray(Math.max(0, seen.length - this.#delimiter.length + 1));
      return piece;
    }
    this.#isOver = true;
    return piece.subarray(0, at + this.#delimiter.length - before);
  }
}

type Parser = ReturnType<typeof createParser>;

/** Never rejects: `ends` is told. */
async function feed(body: WholeForm, parser: Parser, ends: (error?: Error) => void): Promise<void> {
  const closed = once(parser, 'close').catch(() => {});
  try {
    for (let piece = await body.read(); piece && !parser.destroyed; piece = await body.read()) {
      if (!parser.write(piece)) await Promise.race([once(parser, 'drain').catch(() => {}), closed]);
    }
    if (!parser.destroyed) parser.end();
  } catch (error) {
    parser.destroy(error as Error);
    ends(error as Error);
  }
}
