/**
 * Where data keys come from: an interface, so that another key service can take the place of the local one, and the local
 * one, which holds its master keys in memory (cli/cluster/key-file.ts reads them). A master key has a name and versions:
 * rotation adds one, new data keys are wrapped by the newest, older ones still open. Never logs a key.
 *
 *     wrapped  | 1 | version of the master key, u32 | salt, 32 | data key, encrypted, 32 | tag, 16 |
 *     key, nonce of AES-256-GCM: 44 bytes of HKDF-SHA256 of the master key, by the salt; `context` is authenticated too
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { storeFaults } from './contract.ts';
import { DATA_KEY_BYTES } from './sealed-format.ts';

/** Of SSE-S3. No request can name it. */
export const STORE_KEY = 's3';
/** Of SSE-KMS where no key is named. */
export const DEFAULT_KMS_KEY = 'aws/s3';

export interface DataKey {
  readonly plain: Buffer;
  readonly wrapped: Buffer;
}

export interface KeyManager {
  /** Fault NoSuchKey of the manager: storeFaults.noSuchMasterKey. */
  generate(keyId: string, context: string): Promise<DataKey>;
  /** Faults NoSuchMasterKey; DataLost for what was not wrapped by this key and for this context. */
  unwrap(keyId: string, wrapped: Uint8Array, context: string): Promise<Buffer>;
  /** The same data key for another context. */
  rewrap(keyId: string, wrapped: Uint8Array, contexts: { from: string; to: string }): Promise<Buffer>;
}

/** Versions of one master key, by number; the highest one wraps. */
export type MasterKey = ReadonlyMap<number, Uint8Array>;

const FORMAT = 1;
const SALT_BYTES = 32;
const TAG_BYTES = 16;
const SALT_AT = 5;
const KEY_AT = SALT_AT + SALT_BYTES;
const TAG_AT = KEY_AT + DATA_KEY_BYTES;
const WRAPPED_BYTES = TAG_AT + TAG_BYTES;
const INFO = 'needletail wrapped data key, version 1';

export class LocalKeyManager implements KeyManager {
  #keys: ReadonlyMap<string, MasterKey>;
  readonly #random: Random;
  readonly #reload: (() => ReadonlyMap<string, MasterKey> | undefined) | undefined;

  /** `reload`: the keys as they are now, asked for when one is not known. */
  constructor(
    keys: ReadonlyMap<string, MasterKey>,
    random: Random,
    reload?: () => ReadonlyMap<string, MasterKey> | undefined,
  ) {
    this.#keys = keys;
    this.#random = random;
    this.#reload = reload;
  }

  async generate(keyId: string, context: string): Promise<DataKey> {
    const plain = Buffer.from(this.#random.bytes(DATA_KEY_BYTES));
    return { plain, wrapped: this.#wrap(keyId, plain, context) };
  }

  async unwrap(keyId: string, wrapped: Uint8Array, context: string): Promise<Buffer> {
    const bytes = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength);
    if (bytes.length !== WRAPPED_BYTES || bytes[0] !== FORMAT) throw unreadable(keyId);
    const version = bytes.readUInt32BE(1);
    const master = this.#versions(keyId).get(version) ?? this.#looked(keyId)?.get(version);
    if (!master) throw missing(keyId);
    const { key, nonce } = derive(master, bytes.subarray(SALT_AT, KEY_AT));
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(TAG_AT));
    const plain = decipher.update(bytes.subarray(KEY_AT, TAG_AT));
    try {
      decipher.final();
    } catch {
      throw unreadable(keyId);
    }
    return plain;
  }

  async rewrap(keyId: string, wrapped: Uint8Array, { from, to }: { from: string; to: string }): Promise<Buffer> {
    return this.#wrap(keyId, await this.unwrap(keyId, wrapped, from), to);
  }

  #wrap(keyId: string, plain: Uint8Array, context: string): Buffer {
    const versions = this.#versions(keyId);
    const version = Math.max(...versions.keys());
    const head = Buffer.alloc(KEY_AT);
    head[0] = FORMAT;
    head.writeUInt32BE(version, 1);
    head.set(this.#random.bytes(SALT_BYTES), SALT_AT);
    const { key, nonce } = derive(versions.get(version) as Uint8Array, head.subarray(SALT_AT));
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
    const sealed = cipher.update(plain);
    cipher.final();
    return Buffer.concat([head, sealed, cipher.getAuthTag()]);
  }

  #versions(keyId: string): MasterKey {
    const versions = this.#keys.get(keyId) ?? this.#looked(keyId);
    if (!versions || versions.size === 0) throw missing(keyId);
    return versions;
  }

  /** Somebody may have added it meanwhile. */
  #looked(keyId: string): MasterKey | undefined {
    this.#keys = this.#reload?.() ?? this.#keys;
    return this.#keys.get(keyId);
  }
}

function derive(master: Uint8Array, salt: Uint8Array): { key: Buffer; nonce: Buffer } {
  const bytes = Buffer.from(hkdfSync('sha256', master, salt, INFO, DATA_KEY_BYTES + 12));
  return { key: bytes.subarray(0, DATA_KEY_BYTES), nonce: bytes.subarray(DATA_KEY_BYTES) };
}

function missing(keyId: string): Fault {
  return new Fault(storeFaults.noSuchMasterKey, { keyId }, `Key '${keyId}' does not exist`);
}

function unreadable(keyId: string): Fault {
  return new Fault(storeFaults.dataLost, { keyId }, 'a wrapped data key does not open');
}
