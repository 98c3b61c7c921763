/**
 * Messages of an event stream, as SelectObjectContent answers.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
 *
 *      0               4                8              12
 *     +---------------+----------------+--------------+---------+---------+--------------+
 *     | total length  | headers length | CRC-32 of    | headers | payload | CRC-32 of    |
 *     |               |                | both lengths |         |         | all before   |
 *     +---------------+----------------+--------------+---------+---------+--------------+
 *
 *     header:  1 byte length of name | name | 1 byte 7, a string | 2 bytes length of value | value
 *
 * All integers are big-endian. The format has no version of its own.
 */
import { createCrc } from '../../../fabric/crc.ts';

const PRELUDE_BYTES = 12;
const SUM_BYTES = 4;
const STRING_TYPE = 7;
const NAME_BYTES_MAX = 0xff;
const VALUE_BYTES_MAX = 0xffff;

export type Headers = readonly (readonly [name: string, value: string])[];

export interface Message {
  readonly headers: Headers;
  readonly payload: Buffer;
}

export function encodeMessage(headers: Headers, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const encoded = Buffer.concat(headers.map(encodeHeader));
  const length = PRELUDE_BYTES + encoded.length + payload.length + SUM_BYTES;
  const message = Buffer.allocUnsafe(length);
  message.writeUInt32BE(length, 0);
  message.writeUInt32BE(encoded.length, 4);
  sumOf(message.subarray(0, 8)).copy(message, 8);
  encoded.copy(message, PRELUDE_BYTES);
  message.set(payload, PRELUDE_BYTES + encoded.length);
  sumOf(message.subarray(0, length - SUM_BYTES)).copy(message, length - SUM_BYTES);
  return message;
}

function sumOf(bytes: Uint8Array): Buffer {
  const sum = createCrc('crc32');
  sum.update(bytes);
  return sum.digest();
}

function encodeHeader([name, value]: Headers[number]): Buffer {
  const nameBytes = Buffer.from(name).subarray(0, NAME_BYTES_MAX);
  const valueBytes = Buffer.from(value).subarray(0, VALUE_BYTES_MAX);
  const length = Buffer.of(valueBytes.length >> 8, valueBytes.length & 0xff);
  return Buffer.concat([Buffer.of(nameBytes.length), nameBytes, Buffer.of(STRING_TYPE), length, valueBytes]);
}

/** Every message of a whole stream; throws an Error for what is none. */
export function decodeMessages(stream: Buffer): Message[] {
  const messages: Message[] = [];
  for (let rest = stream; rest.length > 0; rest = rest.subarray(rest.readUInt32BE(0))) {
    messages.push(decodeMessage(rest));
  }
  return messages;
}

function decodeMessage(bytes: Buffer): Message {
  if (bytes.length < PRELUDE_BYTES + SUM_BYTES) throw new Error('a message is cut short');
  const [length, headersLength] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)];
  const headersEnd = PRELUDE_BYTES + headersLength;
  if (length > bytes.length || headersEnd + SUM_BYTES > length) throw new Error('lengths of a message do not fit');
  const isPrelude = sumOf(bytes.subarray(0, 8)).equals(bytes.subarray(8, PRELUDE_BYTES));
  const sumAt = length - SUM_BYTES;
  const isWhole = sumOf(bytes.subarray(0, sumAt)).equals(bytes.subarray(sumAt, length));
  if (!isPrelude || !isWhole) throw new Error('a checksum of a message differs');
  const headers = decodeHeaders(bytes.subarray(PRELUDE_BYTES, headersEnd));
  return { headers, payload: bytes.subarray(headersEnd, length - SUM_BYTES) };
}

function decodeHeaders(bytes: Buffer): Headers {
  const headers: [string, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const nameEnd = at + 1 + bytes.readUInt8(at);
    if (bytes.readUInt8(nameEnd) !== STRING_TYPE) throw new Error('a header that is no string');
    const valueStart = nameEnd + 3;
    const valueEnd = valueStart + bytes.readUInt16BE(nameEnd + 1);
    if (valueEnd > bytes.length) throw new Error('a header is cut short');
    headers.push([bytes.toString('utf8', at + 1, nameEnd), bytes.toString('utf8', valueStart, valueEnd)]);
    at = valueEnd;
  }
  return headers;
}
