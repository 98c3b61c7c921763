/**
 * FormPost: a browser uploads files by a form that the owner of a temporary URL key has signed: where to, how many, how
 * large, until when, and where to go next. https://docs.openstack.org/swift/latest/api/form_post_middleware.html
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import { type FormFile, readForm } from '../form-body.ts';
import { type BodySource, storeFaults } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { statusLine, statusOf } from './errors.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { isHeaderText } from './metadata.ts';
import { checkNewName, decodeName, encodeName } from './names.ts';
import { deleteAtOf } from './object-headers.ts';
import { FILE_BYTES_MAX } from './object-put.ts';
import type { SwiftResponse } from './response.ts';
import { findKeys, isSignedBy, readSignature } from './signed-url.ts';
import { escapeXml } from './xml.ts';

type Fields = Readonly<Record<string, string>>;

export function isForm(call: SwiftCall): boolean {
  const { method, headers } = call.http;
  return method === 'POST' && /^multipart\/form-data\s*;.*boundary=/i.test(headers.get('content-type') ?? '');
}

interface Outcome {
  readonly status: number;
  readonly message: string;
}

export async function answerForm(call: SwiftCall): Promise<SwiftResponse> {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  const outcome = await readFiles(call, fields);
  const { redirect } = fields;
  // Nobody is sent anywhere that was not signed.
  if (redirect && (await isSigned(call, fields))) return goOn(redirect, outcome);
  return showOutcome(outcome);
}

async function readFiles(call: SwiftCall, fields: Record<string, string>): Promise<Outcome> {
  let count = 0;
  try {
    for await (const part of readForm(call.http.body, call.header('content-type') ?? '')) {
      if ('field' in part) {
        fields[part.field.toLowerCase()] = part.value;
        continue;
      }
      if (!part.filename) continue;
      count++;
      if (count > integer(fields, 'max_file_count')) return { status: 400, message: 'max file count exceeded' };
      const failed = await storeFile(call, fields, part);
      if (failed) return failed;
    }
  } catch (error) {
    // What the form's reader throws is about the form.
    if (isFault(error)) throw error;
    throw invalid(`invalid form: ${(error as Error).message}`);
  }
  return count === 0 ? { status: 400, message: 'no files to process' } : { status: 201, message: '' };
}

function invalid(text: string): Error {
  return refuse(swiftFaults.badRequest, `FormPost: ${text}`);
}

function integer(fields: Fields, name: string): number {
  const text = fields[name] || '0';
  if (!/^\s*[+-]?\d{1,18}\s*$/.test(text)) throw invalid(`${name} not an integer`);
  return Number(text);
}

/** Undefined when it is stored. */
async function storeFile(call: SwiftCall, fields: Fields, file: FormFile): Promise<Outcome | undefined> {
  const bytesMax = Math.min(integer(fields, 'max_file_size'), FILE_BYTES_MAX);
  const deleteAt = readDeleteAt(call, fields);
  if (integer(fields, 'expires') * 1000 < call.world.clock.nowMs()) throw unauthorised('Form Expired');
  if (!(await isSigned(call, fields))) throw unauthorised('Invalid Signature');
  const object = call.object + file.filename;
  checkNewName('Object', object);
  const contentType = latin1(fields['content-type'] || file.contentType || 'application/octet-stream');
  if (!isHeaderText(contentType)) throw invalid('invalid content-type');
  const encoding = latin1(fields['content-encoding'] ?? '');
  if (!isHeaderText(encoding)) throw invalid('invalid content-encoding');
  const headers = encoding === '' ? {} : { 'content-encoding': encoding };
  call.grant = { account: call.account ?? '', container: call.container, actions: ['write'] };
  try {
    const body = capped(file, bytesMax);
    const ref = { account: call.account ?? '', container: call.container, object };
    await call.world.store.putObject(call, ref, { contentType, headers, deleteAt, body });
    return undefined;
  } catch (error) {
    if (isFault(error, storeFaults.bodyTooLarge)) throw invalid('max_file_size exceeded');
    const status = statusOf(error, call);
    if (!isFault(error) || status >= 499) throw error;
    return { status, message: '' };
  } finally {
    call.grant = undefined;
  }
}

function readDeleteAt(call: SwiftCall, fields: Fields): number | undefined {
  return deleteAtOf(call, { after: fields['x_delete_after'], at: fields['x_delete_at'] });
}

function unauthorised(text: string): Error {
  return refuseAsPage(swiftFaults.unauthorized, `FormPost: ${text}`);
}

/** By any key of the account or the container, with a digest that is allowed here. */
async function isSigned(call: SwiftCall, fields: Fields): Promise<boolean> {
  const signature = readSignature(fields['signature'] ?? '');
  if (!signature || !call.world.urlDigests.includes(signature.algorithm) || call.container === '') return false;
  const { redirect, max_file_size: size, max_file_count: count, expires } = fields;
  const text = [decodeName(call.http.path), redirect ?? '', size || '0', count || '0', expires || '0'].join('\n');
  return (await findKeys(call)).some(({ secret }) => isSignedBy(signature, secret, text));
}

/** A file of at most so many bytes; Fault BodyTooLarge beyond. */
function capped(file: FormFile, bytesMax: number): BodySource {
  let bytes = 0;
  const read = async (): Promise<Uint8Array | undefined> => {
    const piece = await file.read();
    bytes += piece?.length ?? 0;
    if (bytes > bytesMax) throw new Fault(storeFaults.bodyTooLarge);
    return piece;
  };
  const collect = async (): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for (let piece = await read(); piece; piece = await read()) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  return { lengthBytes: undefined, read, collect };
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function showOutcome({ status, message }: Outcome): SwiftResponse {
  const line = statusLine(status);
  const body = message === '' ? line : `${line}\r\nFormPost: ${titled(message)}`;
  return { status, headers: ['Content-Type', 'text/plain'], body };
}

function titled(text: string): string {
  return text.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
}

function goOn(redirect: string, { status, message }: Outcome): SwiftResponse {
  const target = `${redirect}${redirect.includes('?') ? '&' : '?'}status=${status}&message=${encodeName(message)}`;
  if (!/^[\x21-\x7e]+$/.test(target)) throw invalid('invalid redirect');
  const body = `<html><body><p><a href="${escapeXml(target)}">Click to continue...</a></p></body></html>`;
  return { status: 303, headers: ['Content-Type', 'text/html; charset=UTF-8', 'Location', target], body };
}
