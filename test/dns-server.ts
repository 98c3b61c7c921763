/**
 * A name server for tests: answers CNAME questions over UDP from a table, and names it does not know with NXDOMAIN (RFC 1035).
 * It counts questions, so that a test sees what was remembered.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';

const HEADER_BYTES = 12;
const TYPE_CNAME = 5;
const CLASS_IN = 1;
const RESPONSE = 0x8400;
const NAME_ERROR = 3;
/** Points to the question's name. */
const NAME_POINTER = 0xc00c;
const TTL_S = 60;

export interface DnsServer {
  /** `address:port`. */
  readonly address: string;
  /** Names that were asked for, in order. */
  readonly questions: readonly string[];
  close(): void;
}

export async function startDnsServer(cnames: Readonly<Record<string, string>>): Promise<DnsServer> {
  const socket = dgram.createSocket('udp4');
  const questions: string[] = [];
  socket.on('message', (query, from) => {
    const { name, end } = readName(query, HEADER_BYTES);
    questions.push(name);
    // Type and class follow the name; options of the query are not answered.
    const question = query.subarray(HEADER_BYTES, end + 4);
    socket.send(answer(query.readUInt16BE(0), question, cnames[name.toLowerCase()]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, questions, close: () => socket.close() };
}

function answer(id: number, question: Buffer, target: string | undefined): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(target === undefined ? RESPONSE | NAME_ERROR : RESPONSE, 2);
  header.writeUInt16BE(1, 4);
  if (target === undefined) return Buffer.concat([header, question]);
  header.writeUInt16BE(1, 6);
  const name = writeName(target);
  const record = Buffer.alloc(12);
  record.writeUInt16BE(NAME_POINTER, 0);
  record.writeUInt16BE(TYPE_CNAME, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt32BE(TTL_S, 6);
  record.writeUInt16BE(name.length, 10);
  return Buffer.concat([header, question, record, name]);
}

function readName(bytes: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = bytes[at] ?? 0; length > 0; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function writeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}
