/**
 * The few forms of msgpack that token payloads consist of, written as Keystone's msgpack writes them: a float stays a float
 * even when it is whole, which general encoders in JavaScript cannot promise. Reading is the codec's (fabric/codec.ts).
 */
import { assert, unreachable } from '../../fabric/assert.ts';

export interface Float {
  readonly float: number;
}

export type Packable = null | boolean | number | string | Uint8Array | Float | readonly unknown[];

/** Numbers are integers from 0 to 2^32 - 1, arrays have up to 65,535 items, text and bytes up to 65,535 bytes. */
export function packValue(value: unknown): Buffer {
  const pieces: Uint8Array[] = [];
  pack(value as Packable, pieces);
  return Buffer.concat(pieces);
}

function pack(value: Packable, into: Uint8Array[]): void {
  if (value === null) into.push(Buffer.of(0xc0));
  else if (typeof value === 'boolean') into.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'number') into.push(integer(value));
  else if (typeof value === 'string') packText(Buffer.from(value, 'utf8'), into);
  else if (value instanceof Uint8Array) into.push(head(value.length, { fix: undefined, u8: 0xc4, u16: 0xc5 }), value);
  else if (Array.isArray(value)) packArray(value, into);
  else if ('float' in value) into.push(float(value.float));
  else unreachable(value as never);
}

function packText(bytes: Buffer, into: Uint8Array[]): void {
  into.push(head(bytes.length, { fix: [0xa0, 31], u8: 0xd9, u16: 0xda }), bytes);
}

function packArray(items: readonly unknown[], into: Uint8Array[]): void {
  into.push(head(items.length, { fix: [0x90, 15], u8: undefined, u16: 0xdc }));
  for (const item of items) pack(item as Packable, into);
}

interface Heads {
  /** First byte of the short form and the greatest length it holds. */
  readonly fix: readonly [number, number] | undefined;
  readonly u8: number | undefined;
  readonly u16: number;
}

function head(length: number, { fix, u8, u16 }: Heads): Buffer {
  assert(length <= 0xffff, 'too long for a token');
  if (fix !== undefined && length <= fix[1]) return Buffer.of(fix[0] | length);
  if (u8 !== undefined && length <= 0xff) return Buffer.of(u8, length);
  return Buffer.of(u16, length >> 8, length & 0xff);
}

function integer(value: number): Buffer {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, 'not an integer of 32 bits');
  if (value <= 0x7f) return Buffer.of(value);
  if (value <= 0xff) return Buffer.of(0xcc, value);
  if (value <= 0xffff) return Buffer.of(0xcd, value >> 8, value & 0xff);
  const bytes = Buffer.of(0xce, 0, 0, 0, 0);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
}
