/**
 * Where data keys come from: an interface, so that another key service can take the place of the local one, and the local
 * one, which holds its master keys in memory (cli/cluster/key-file.ts reads them). A master key has a name and versions:
 * rotation adds one, new data keys are wrapped by the newest, older ones still open. What wraps is derived from a master key
 * once for many data keys (wrapped-key-format.ts). Never logs a key.
 */
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { storeFaults } from './contract.ts';
import { DATA_KEY_BYTES } from './sealed-format.ts';
import {
  deriveWrapping,
  readWrapped,
  unwrapKey,
  unwrapOldKey,
  WRAP_SALT_BYTES,
  type WrappingKey,
  wrapKey,
} from './wrapped-key-format.ts';

/** Of SSE-S3. No request can name it. */
export const STORE_KEY = 's3';
/** Of SSE-KMS where no key is named. */
export const DEFAULT_KMS_KEY = 'aws/s3';

export interface DataKey {
  readonly plain: Buffer;
  readonly wrapped: Buffer;
}

/** Answers, and fails, at once or later: await it all the same. */
export interface KeyManager {
  /** Fault NoSuchKey of the manager: storeFaults.noSuchMasterKey. */
  generate(keyId: string, context: string): Promise<DataKey> | DataKey;
  /** Faults NoSuchMasterKey; DataLost for what was not wrapped by this key and for this context. */
  unwrap(keyId: string, wrapped: Uint8Array, context: string): Promise<Buffer> | Buffer;
  /** The same data key for another context. */
  rewrap(keyId: string, wrapped: Uint8Array, contexts: { from: string; to: string }): Promise<Buffer>;
}

/** Versions of one master key, by number; the highest one wraps. */
export type MasterKey = ReadonlyMap<number, Uint8Array>;

/** Data keys that are wrapped under one salt. */
const WRAPS_MAX = 2 ** 20;
/** Derived keys remembered: one for each salt that is read, and there is one for each life of a proxy, or more. */
const OPENERS_MAX = 1_024;

/** Data keys remembered for objects that are read again and again. */
const OPENED_MAX = 4_096;

/** A wrapping key of this manager's own. */
interface Wrapper extends WrappingKey {
  readonly master: Uint8Array;
  used: number;
}

interface Opener {
  readonly master: Uint8Array;
  readonly key: Buffer;
}

/** A data key, and what it was opened by and for: for anything else it does not open. */
interface Opened {
  readonly master: Uint8Array;
  readonly keyId: string;
  readonly context: string;
  readonly plain: Buffer;
}

/** What was derived from a master key is of no use once another one has taken its name and version. */
const isOf = (derived: Wrapper | Opener | undefined, master: Uint8Array): boolean =>
  derived !== undefined && Buffer.compare(derived.master, master) === 0;

export class LocalKeyManager implements KeyManager {
  #keys: ReadonlyMap<string, MasterKey>;
  readonly #random: Random;
  readonly #reload: (() => ReadonlyMap<string, MasterKey> | undefined) | undefined;
  /** By name of the master key. */
  readonly #wrappers = new Map<string, Wrapper>();
  /** Derived keys by master key, its version and the salt; oldest first. */
  readonly #openers = new Map<string, Opener>();
  /** By the wrapped key; oldest first. */
  readonly #opened = new Map<string, Opened>();

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

  generate(keyId: string, context: string): DataKey {
    const plain = Buffer.from(this.#random.bytes(DATA_KEY_BYTES));
    return { plain, wrapped: this.#wrap(keyId, plain, context) };
  }

  unwrap(keyId: string, wrapped: Uint8Array, context: string): Buffer {
    const bytes = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength);
    const read = readWrapped(bytes);
    if (!read) throw unreadable(keyId);
    const { masterVersion, salt } = read;
    const master = this.#versions(keyId).get(masterVersion) ?? this.#looked(keyId)?.get(masterVersion);
    if (!master) throw missing(keyId);
    const name = bytes.toString('latin1');
    const known = this.#opened.get(name);
    if (known?.keyId === keyId && known.context === context && known.master === master) return known.plain;
    const plain = salt
      ? unwrapKey(bytes, this.#opener(`${keyId}\0${masterVersion}\0${salt.toString('latin1')}`, master, salt), context)
      : unwrapOldKey(bytes, master, context);
    if (!plain) throw unreadable(keyId);
    remember(this.#opened, OPENED_MAX, [name, { master, keyId, context, plain }]);
    return plain;
  }

  async rewrap(keyId: string, wrapped: Uint8Array, { from, to }: { from: string; to: string }): Promise<Buffer> {
    return this.#wrap(keyId, this.unwrap(keyId, wrapped, from), to);
  }

  #wrap(keyId: string, plain: Uint8Array, context: string): Buffer {
    const wrapper = this.#wrapper(keyId);
    return wrapKey(wrapper, wrapper.used++, plain, context);
  }

  #wrapper(keyId: string): Wrapper {
    const versions = this.#versions(keyId);
    let newest = 0;
    for (const version of versions.keys()) newest = Math.max(newest, version);
    const master = versions.get(newest) as Uint8Array;
    const known = this.#wrappers.get(keyId);
    if (known?.masterVersion === newest && known.used < WRAPS_MAX && isOf(known, master)) return known;
    const salt = Buffer.from(this.#random.bytes(WRAP_SALT_BYTES));
    const made = { masterVersion: newest, master, salt, key: deriveWrapping(master, salt), used: 0 };
    this.#wrappers.set(keyId, made);
    return made;
  }

  #opener(name: string, master: Uint8Array, salt: Uint8Array): Buffer {
    const known = this.#openers.get(name);
    if (known && isOf(known, master)) return known.key;
    const key = deriveWrapping(master, salt);
    remember(this.#openers, OPENERS_MAX, [name, { master, key }]);
    return key;
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

/** The oldest goes where there are too many. */
function remember<T>(into: Map<string, T>, entriesMax: number, [name, entry]: readonly [string, T]): void {
  for (const oldest of into.keys()) {
    if (into.size < entriesMax) break;
    into.delete(oldest);
  }
  into.set(name, entry);
}

function missing(keyId: string): Fault {
  return new Fault(storeFaults.noSuchMasterKey, { keyId }, `Key '${keyId}' does not exist`);
}

function unreadable(keyId: string): Fault {
  return new Fault(storeFaults.dataLost, { keyId }, 'a wrapped data key does not open');
}
