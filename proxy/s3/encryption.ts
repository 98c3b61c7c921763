/**
 * Server-side encryption as requests ask for it and answers show it: SSE-S3, SSE-KMS, and keys of the client's own (SSE-C);
 * and the default of a bucket. What becomes of it is decided in proxy/object/encryption.ts. Never logs a key, and no error
 * repeats one. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { childText, type XmlElement, xmlElement } from '../../fabric/xml.ts';
import type { EncryptionRequest, ObjectInfo } from '../object/contract.ts';
import type { DefaultEncryption } from '../object/encryption.ts';
import { STORE_KEY } from '../object/key-manager.ts';
import { emptyAnswer, resolve, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';
import { checkChildren, readXml } from './xml-body.ts';

const DOCUMENT = { bytesMax: 16 * 1024, elementsMax: 20 } as const;
const SSE = 'x-amz-server-side-encryption';
const KEY_ID = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const BUCKET_KEY = `${SSE}-bucket-key-enabled`;
const CUSTOMER = [`${SSE}-customer-algorithm`, `${SSE}-customer-key`, `${SSE}-customer-key-md5`] as const;
const SOURCE = CUSTOMER.map((name) => name.replace('x-amz-', 'x-amz-copy-source-'));
/** Rows of AMZ_HEADERS. */
export const WRITE_HEADERS: readonly string[] = [SSE, KEY_ID, CONTEXT, BUCKET_KEY, ...CUSTOMER];
export const READ_HEADERS: readonly string[] = CUSTOMER;
export const COPY_HEADERS: readonly string[] = [...WRITE_HEADERS, ...SOURCE];
/** A part may say again what its upload said. */
export const PART_HEADERS: readonly string[] = [SSE, KEY_ID, CONTEXT, ...CUSTOMER];
export const PART_COPY_HEADERS: readonly string[] = [...PART_HEADERS, ...SOURCE];
const KEY_BYTES = 32;
const CONTEXT_LENGTH_MAX = 8 * 1024;
const LOOPBACK = /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/i;

const NEEDS = 'Requests specifying Server Side Encryption with Customer provided keys must provide';

/** What an upload asks for; undefined leaves it to the bucket. */
export function readEncryption(call: S3Call): EncryptionRequest | undefined {
  const { headers } = call.request;
  const customerKey = readCustomerKey(call);
  const mode = headers.get(SSE);
  if (customerKey !== undefined && mode !== undefined) {
    const message =
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified';
    throw s3Fault('InvalidArgument', message, { ArgumentName: SSE, ArgumentValue: mode });
  }
  const keyId = headers.get(KEY_ID);
  const context = headers.get(CONTEXT);
  if (mode !== 'aws:kms') checkNoKms(mode, { [KEY_ID]: keyId, [CONTEXT]: context });
  if (customerKey !== undefined) return { mode: 'SSE-C', customerKey };
  if (mode === undefined) return undefined;
  if (mode === 'AES256') return { mode };
  if (mode === 'aws:kms:dsse' || mode === 'aws:fsx') throw s3Fault('NotImplemented', '', { Header: SSE });
  if (mode !== 'aws:kms') {
    const fields = { ArgumentName: SSE, ArgumentValue: mode };
    throw s3Fault('InvalidArgument', 'The encryption method specified is not supported', fields);
  }
  const bucketKey = headers.get(BUCKET_KEY)?.toLowerCase() === 'true' ? true : undefined;
  return { mode, keyId: keyId === undefined ? undefined : readKeyId(keyId), context: readContext(context), bucketKey };
}

function checkNoKms(mode: string | undefined, given: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const message = `Server Side Encryption with AWS KMS managed key requires HTTP header ${SSE} : aws:kms`;
    throw s3Fault('InvalidArgument', message, {
      ArgumentName: mode === undefined ? SSE : name,
      ArgumentValue: mode ?? 'null',
    });
  }
}

/** A name, or an ARN that ends in one. */
function readKeyId(text: string): string {
  const name = text.replace(/^arn:aws:kms:[^:]*:[^:]*:/, '').replace(/^(?:key|alias)\//, '');
  if (/^[A-Za-z0-9/_-]{1,128}$/.test(name) && name !== STORE_KEY) return name;
  throw s3Fault('KMS.NotFoundException', `Invalid keyId '${text.replace(/[^\x20-\x7e]/g, '?').slice(0, 256)}'`);
}

/** Base64 of a JSON object of texts; kept as it was sent. */
function readContext(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const fields = { ArgumentName: CONTEXT };
  const bad = (): Error => s3Fault('InvalidArgument', 'The encryption context is not base64 of a JSON object', fields);
  if (text.length > CONTEXT_LENGTH_MAX) throw bad();
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString());
  } catch {
    throw bad();
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad();
  if (!Object.values(value).every((each) => typeof each === 'string')) throw bad();
  return text;
}

/** 32 bytes; undefined where the request brings none. */
export function readCustomerKey(call: S3Call): Uint8Array | undefined {
  return readKeyHeaders(call, CUSTOMER);
}

/** Of the source of a copy. */
export function readSourceKey(call: S3Call): Uint8Array | undefined {
  return readKeyHeaders(call, SOURCE);
}

function readKeyHeaders(call: S3Call, names: readonly string[]): Uint8Array | undefined {
  const { headers } = call.request;
  const [algorithm, key, md5] = names.map((name) => headers.get(name));
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  checkSecure(call);
  const [algorithmName = '', keyName = '', md5Name = ''] = names;
  const fail = (message: string, ArgumentName: string): Error => s3Fault('InvalidArgument', message, { ArgumentName });
  if (algorithm === undefined) throw fail(`${NEEDS} a valid encryption algorithm.`, algorithmName);
  if (algorithm !== 'AES256') throw badAlgorithm(algorithmName, algorithm);
  if (key === undefined) throw fail(`${NEEDS} an appropriate secret key.`, keyName);
  if (md5 === undefined) throw fail(`${NEEDS} the client calculated MD5 of the secret key.`, md5Name);
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length !== KEY_BYTES) throw fail('The secret key was invalid for the specified algorithm.', keyName);
  const promised = Buffer.from(md5, 'base64');
  const actual = Buffer.from(hash('md5', bytes, 'hex'), 'hex');
  if (promised.length !== actual.length || !timingSafeEqual(promised, actual)) {
    throw fail('The calculated MD5 hash of the key did not match the hash that was provided.', md5Name);
  }
  return bytes;
}

/** A key does not go over a wire that anybody can read: TLS, or the same machine, where a terminator may stand. */
function checkSecure({ request }: S3Call): void {
  if (request.tls || LOOPBACK.test(request.remoteAddress)) return;
  const message =
    'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.';
  throw s3Fault('InvalidRequest', message);
}

function badAlgorithm(name: string, value: string): Error {
  const message = 'The encryption request that you specified is not valid. The valid value is AES256.';
  return s3Fault('InvalidEncryptionAlgorithmError', message, { ArgumentName: name, ArgumentValue: value });
}

/** What was used; of a client's key what the request itself says of it. */
export function pushEncryption(call: S3Call, encryption: ObjectInfo['encryption']): void {
  if (encryption === undefined) return;
  const { mode, keyId, context, bucketKey } = encryption;
  if (mode === 'SSE-C') {
    const md5 = call.request.headers.get(CUSTOMER[2]);
    if (md5 !== undefined) call.headers.push(CUSTOMER[0], 'AES256', `${SSE}-customer-key-MD5`, md5);
    return;
  }
  call.headers.push(SSE, mode);
  if (mode === 'AES256') return;
  call.headers.push(KEY_ID, keyId ?? '');
  if (context !== undefined) call.headers.push(CONTEXT, context);
  if (bucketKey) call.headers.push(BUCKET_KEY, 'true');
}

export async function getDefault(call: S3Call): Promise<HttpResponse> {
  const { s3 } = await call.world.store.headContainer(call.context, await resolve(call));
  const set = s3['encryption'] as DefaultEncryption | null | undefined;
  if (!set) throw s3Fault('ServerSideEncryptionConfigurationNotFoundError', '', { BucketName: call.bucket });
  const keyId = set.keyId === undefined ? '' : xmlElement('KMSMasterKeyID', set.keyId);
  const apply = `<ApplyServerSideEncryptionByDefault>${xmlElement('SSEAlgorithm', set.mode)}${keyId}</ApplyServerSideEncryptionByDefault>`;
  const rule = `<Rule>${apply}${xmlElement('BucketKeyEnabled', set.bucketKey === true)}</Rule>`;
  return xmlAnswer(call, 'ServerSideEncryptionConfiguration', rule);
}

export async function putDefault(call: S3Call): Promise<HttpResponse> {
  const root = await readXml(call, DOCUMENT);
  if (root.name !== 'ServerSideEncryptionConfiguration') throw s3Fault('MalformedXML');
  checkChildren(root, new Set(['Rule']));
  const [rule] = root.children;
  if (rule === undefined) throw s3Fault('MalformedXML');
  const encryption = readRule(rule);
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, { s3: { encryption } });
  return emptyAnswer(call, 200);
}

function readRule(rule: XmlElement): DefaultEncryption {
  if (rule.children.some(({ name }) => name === 'BlockedEncryptionTypes')) {
    throw s3Fault('NotImplemented', 'BlockedEncryptionTypes is not implemented.');
  }
  checkChildren(rule, new Set(['ApplyServerSideEncryptionByDefault', 'BucketKeyEnabled']));
  const apply = rule.children.find(({ name }) => name === 'ApplyServerSideEncryptionByDefault');
  if (apply === undefined) throw s3Fault('MalformedXML');
  checkChildren(apply, new Set(['SSEAlgorithm', 'KMSMasterKeyID']));
  const mode = childText(apply, 'SSEAlgorithm')?.trim();
  const keyId = childText(apply, 'KMSMasterKeyID')?.trim();
  const flag = childText(rule, 'BucketKeyEnabled')?.trim().toLowerCase() ?? 'false';
  if (flag !== 'true' && flag !== 'false') throw s3Fault('MalformedXML');
  if (mode === 'aws:kms:dsse') throw s3Fault('NotImplemented', 'aws:kms:dsse is not implemented.');
  if (mode !== 'AES256' && mode !== 'aws:kms') throw s3Fault('MalformedXML');
  if (mode === 'AES256' && keyId !== undefined) {
    const message = 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse';
    throw s3Fault('InvalidArgument', message, { ArgumentName: 'ApplyServerSideEncryptionByDefault' });
  }
  return { mode, keyId: keyId ? readKeyId(keyId) : undefined, bucketKey: flag === 'true' ? true : undefined };
}

export async function deleteDefault(call: S3Call): Promise<HttpResponse> {
  const ref = await resolve(call);
  await call.world.store.updateContainer(call.context, ref, { s3: { encryption: null } });
  return emptyAnswer(call, 204);
}
