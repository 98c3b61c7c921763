/**
 * Which bodies are encrypted, under what, and who gets their data key (docs/adr/0015-encryption.md). A data key is made for
 * each object or upload and wrapped by a master key; with a key of the client's own (SSE-C), that key is the data key and
 * is kept nowhere. Never logs a key.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { type EncryptionRequest, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { DEFAULT_KMS_KEY, type KeyManager, STORE_KEY } from './key-manager.ts';
import type { ObjectRecord, Sealed } from './object-format.ts';
import { SALT_BYTES } from './sealed-format.ts';

/** In the container's record under `s3.encryption`. */
export interface DefaultEncryption {
  readonly mode: 'AES256' | 'aws:kms';
  readonly keyId?: string | undefined;
  readonly bucketKey?: boolean | undefined;
}

/** A data key in use, and what its object's record keeps of it. */
export interface Sealing {
  readonly dataKey: Uint8Array;
  readonly sealed: Sealed;
}

type Names = Pick<ObjectRef, 'account' | 'container' | 'object'>;

/** What a wrapped key is for: under another name it does not open. */
const contextOf = ({ account, container, object }: Names, sealed: Pick<Sealed, 'context'>): string =>
  `${account}\0${container}\0${object}\0${sealed.context ?? ''}`;

const namesOf = ({ account, container, name }: Pick<ObjectRecord, 'account' | 'container' | 'name'>): Names => ({
  account,
  container,
  object: name,
});

/** What a new object is encrypted with: what the request asks for, else the bucket's default. Undefined: not at all. */
export function encryptionOf(
  container: Pick<ContainerRecord, 's3'>,
  request: EncryptionRequest | undefined,
): EncryptionRequest | undefined {
  return request ?? (container.s3?.['encryption'] as DefaultEncryption | null | undefined) ?? undefined;
}

/** Faults NoSuchMasterKey, NoKeyManager. */
export async function startSealing(engine: Engine, names: Names, wanted: EncryptionRequest): Promise<Sealing> {
  const { mode, bucketKey, context } = wanted;
  if (mode === 'SSE-C') {
    const dataKey = wanted.customerKey as Uint8Array;
    const checkSalt = Buffer.from(engine.random.bytes(SALT_BYTES));
    return { dataKey, sealed: { mode, checkSalt, check: checkOf(dataKey, checkSalt) } };
  }
  const keyId = mode === 'AES256' ? STORE_KEY : (wanted.keyId ?? DEFAULT_KMS_KEY);
  const { plain, wrapped } = await managerOf(engine).generate(keyId, contextOf(names, { context }));
  return { dataKey: plain, sealed: { mode, keyId, wrapped, context, bucketKey } };
}

function managerOf({ keys }: Engine): KeyManager {
  if (keys === undefined) throw new Fault(storeFaults.noKeyManager, {}, 'There is no key manager here.');
  return keys;
}

/** Tells a wrong key from the right one before anything is decrypted; says nothing about the key to who has the disks. */
function checkOf(key: Uint8Array, salt: Uint8Array): Buffer {
  return createHmac('sha256', key).update('needletail customer key').update(salt).digest();
}

/** Faults InvalidRequest: a key is missing, or is given for what has none; AccessDenied: another key. */
export function checkCustomerKey(sealed: Sealed | undefined, key: Uint8Array | undefined): void {
  if (sealed?.mode !== 'SSE-C') {
    if (key === undefined) return;
    throw new Fault(storeFaults.wrongEncryption, {}, 'The encryption parameters are not applicable to this object.');
  }
  if (key === undefined) {
    const message =
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.';
    throw new Fault(storeFaults.wrongEncryption, {}, message);
  }
  if (!isKeyOf(sealed, key)) throw new Fault(storeFaults.accessDenied);
}

function isKeyOf({ check, checkSalt }: Sealed, key: Uint8Array): boolean {
  if (check === undefined || checkSalt === undefined) return false;
  return timingSafeEqual(checkOf(key, checkSalt), check);
}

/** Of an encrypted object; at once where it is known at once. Faults as of `checkCustomerKey`, and the key manager's. */
export function dataKeyOf(
  engine: Engine,
  record: Pick<ObjectRecord, 'account' | 'container' | 'name'> & { readonly sealed?: Sealed | undefined },
  customerKey: Uint8Array | undefined,
): Promise<Uint8Array> | Uint8Array {
  const sealed = record.sealed as Sealed;
  checkCustomerKey(sealed, customerKey);
  if (sealed.mode === 'SSE-C') return customerKey as Uint8Array;
  const { keyId = '', wrapped = new Uint8Array() } = sealed;
  return managerOf(engine).unwrap(keyId, wrapped, contextOf(namesOf(record), sealed));
}

/** A part is encrypted as its upload was announced. Fault InvalidRequest. */
export async function sealingOfPart(
  engine: Engine,
  upload: Parameters<typeof dataKeyOf>[1],
  request: EncryptionRequest | undefined,
): Promise<Sealing | undefined> {
  const { sealed } = upload;
  const customerKey = request?.customerKey;
  if (sealed?.mode !== 'SSE-C' && customerKey !== undefined) {
    throw mismatch('The multipart upload initiate did not request encryption with a key of the client.');
  }
  if (request !== undefined && request.mode !== 'SSE-C' && !isAnnounced(sealed, request)) throw mismatch(OTHERWISE);
  if (sealed === undefined) return undefined;
  if (sealed.mode === 'SSE-C') {
    if (customerKey === undefined) {
      const message =
        'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.';
      throw mismatch(message);
    }
    if (!isKeyOf(sealed, customerKey)) throw mismatch(OTHERWISE);
  }
  return { sealed, dataKey: await dataKeyOf(engine, upload, customerKey) };
}

const OTHERWISE = 'The provided encryption parameters did not match the ones used originally.';

function isAnnounced(sealed: Sealed | undefined, { mode, keyId, context }: EncryptionRequest): boolean {
  if (sealed?.mode !== mode) return false;
  return (keyId === undefined || keyId === sealed.keyId) && (context === undefined || context === sealed.context);
}

function mismatch(message: string): Fault {
  return new Fault(storeFaults.wrongEncryption, {}, message);
}

/** Whether a copy can refer to the source's bytes as they are, its data key wrapped anew. */
export function canShare(sealed: Sealed | undefined, wanted: EncryptionRequest | undefined): boolean {
  if (sealed === undefined || wanted === undefined) return sealed === wanted;
  if (sealed.mode !== wanted.mode || sealed.mode === 'SSE-C') return false;
  return sealed.mode === 'AES256' || sealed.keyId === (wanted.keyId ?? DEFAULT_KMS_KEY);
}

export async function resealed(
  engine: Engine,
  source: ObjectRecord,
  target: Names,
  wanted: EncryptionRequest,
): Promise<Sealed> {
  const sealed = source.sealed as Sealed;
  const { keyId = '', wrapped = new Uint8Array() } = sealed;
  const { context, bucketKey } = wanted;
  const contexts = { from: contextOf(namesOf(source), sealed), to: contextOf(target, { context }) };
  return { ...sealed, context, bucketKey, wrapped: await managerOf(engine).rewrap(keyId, wrapped, contexts) };
}
