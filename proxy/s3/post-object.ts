/**
 * PostObject: a browser uploads a file by a form (multipart/form-data). Reads the fields, settles who signed for it and
 * what that allows, and then is a PutObject whose headers were the fields. The file flows through as it arrives.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 */
import { isFault } from '../../fabric/errors.ts';
import type { HttpBody, HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { parseXml, XML_DECLARATION, xmlElement } from '../../fabric/xml.ts';
import { callerOf } from '../auth/callers.ts';
import { signerOf } from '../auth/form-signature.ts';
import { type FormFile, readForm } from '../form-body.ts';
import type { PutOptions } from '../object/contract.ts';
import { checkKey } from './address.ts';
import { objectLocation, type S3Call } from './call.ts';
import { s3Fault } from './errors.ts';
import type { HeaderUse } from './header-use.ts';
import { checkPolicy, readPostPolicy, type SizeRange, withFilename } from './post-policy.ts';
import { storeBody } from './put-object.ts';
import { checkHeaders, STORED } from './request-headers.ts';
import { tagsOf } from './tags.ts';
import { BODY_BYTES_MAX, openUploadBody } from './upload-body.ts';

/** Of everything before the file, as S3 has it. */
const FIELDS_BYTES_MAX = 20 * 1024;
/** A file that comes as a plain field is held whole. */
const FIELD_BYTES_MAX = 1024 * 1024;
const ANY_SIZE: SizeRange = { min: 0, max: BODY_BYTES_MAX };
const STORED_FIELDS: ReadonlySet<string> = new Set(STORED);
const NOT_HEADERS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-signature',
]);

type Fields = Map<string, string>;

/** The file, and all that came before it. */
interface Posted {
  readonly fields: Fields;
  readonly filename: string;
  read(): Promise<Uint8Array | undefined>;
}

export function createPostObject(use: HeaderUse): (call: S3Call) => Promise<HttpResponse> {
  return async (call) => {
    checkEnvelope(call);
    const fields: Fields = new Map();
    const parts = readForm(call.request.body, call.request.headers.get('content-type') ?? '', FIELD_BYTES_MAX);
    try {
      const posted = await readUntilFile(parts, fields);
      return await storePosted(call, posted, use);
    } catch (error) {
      // What the form's reader throws is about the form.
      if (isFault(error)) throw error;
      throw s3Fault('MalformedPOSTRequest');
    } finally {
      await parts.return(undefined);
    }
  };
}

function checkEnvelope({ request, auth }: S3Call): void {
  if (!/^multipart\/form-data\s*;.*boundary=/i.test(request.headers.get('content-type') ?? '')) {
    const message = 'At least one of the pre-conditions you specified did not hold';
    throw s3Fault('PreconditionFailed', message, {
      Condition: 'Bucket POST must be of the enclosure-type multipart/form-data',
    });
  }
  if (auth.user !== undefined || auth.payload.kind !== 'unsigned') {
    throw s3Fault('InvalidArgument', 'A form is signed by its fields, not by headers or query', {
      ArgumentName: 'Authorization',
    });
  }
}

/** Parts count by their name: clients give plain fields file names as well. */
async function readUntilFile(parts: ReturnType<typeof readForm>, fields: Fields): Promise<Posted> {
  let bytes = 0;
  for (;;) {
    const { value: part, done } = await parts.next();
    if (done) throw noFile(0);
    const name = ('field' in part ? part.field : part.name).toLowerCase();
    if (name === 'file') return { fields, ...('field' in part ? whole(part.value) : readChecked(part)) };
    const value = 'field' in part ? part.value : await readSmall(part);
    bytes += name.length + value.length;
    if (bytes > FIELDS_BYTES_MAX) throw s3Fault('MaxPostPreDataLengthExceededError');
    if (fields.has(name)) {
      throw s3Fault('InvalidArgument', `The form has the field '${name}' more than once`, { ArgumentName: name });
    }
    fields.set(name, value);
  }
}

function noFile(count: number): Error {
  return s3Fault('InvalidArgument', 'POST requires exactly one file upload per request.', {
    ArgumentName: 'file',
    ArgumentValue: String(count),
  });
}

async function readSmall(part: FormFile): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (let piece = await part.read(); piece; piece = await part.read()) {
    bytes += piece.length;
    if (bytes > FIELDS_BYTES_MAX) throw s3Fault('MaxPostPreDataLengthExceededError');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function whole(text: string): Pick<Posted, 'filename' | 'read'> {
  let bytes: Buffer | undefined = Buffer.from(text, 'utf8');
  if (bytes.length >= FIELD_BYTES_MAX) throw s3Fault('MalformedPOSTRequest');
  const read = async (): Promise<Uint8Array | undefined> => {
    const given = bytes;
    bytes = undefined;
    return given && given.length > 0 ? given : undefined;
  };
  return { filename: '', read };
}

function readChecked(part: FormFile): Pick<Posted, 'filename' | 'read'> {
  const read = async (): Promise<Uint8Array | undefined> => {
    try {
      return await part.read();
    } catch (error) {
      if (isFault(error)) throw error;
      throw s3Fault('MalformedPOSTRequest');
    }
  };
  // Old browsers send the whole path.
  return {
    filename: part.filename.slice(Math.max(part.filename.lastIndexOf('/'), part.filename.lastIndexOf('\\')) + 1),
    read,
  };
}

async function storePosted(call: S3Call, posted: Posted, use: HeaderUse): Promise<HttpResponse> {
  const { fields } = posted;
  const key = withFilename(readKey(fields), posted.filename);
  if (key === '')
    throw s3Fault('InvalidArgument', 'User key must have a length greater than 0.', { ArgumentName: 'key' });
  checkKey(key);
  if (key.includes('\0')) throw s3Fault('InvalidURI');
  const user = await signerOf(call.world, fields);
  const policy = fields.get('policy');
  const seen = new Map([...fields, ['key', key], ['bucket', call.bucket]] as [string, string][]);
  const size =
    policy === undefined
      ? ANY_SIZE
      : checkPolicy(readPostPolicy(policy), {
          fields: seen,
          nowMs: call.world.clock.nowMs(),
          filename: posted.filename,
        });
  const body = ranged(posted, size);
  const request = asRequest(call.request, fields, body);
  checkHeaders(request, use, new Set());
  call.scope.request = request;
  call.scope.postedBy = fields.has('x-amz-signature') ? 'AWS4-HMAC-SHA256' : user && 'AWS';
  const caller = user === undefined ? call.context.caller : callerOf(user);
  const posting: S3Call = {
    ...call,
    request,
    query: new Map(),
    key,
    context: { ...call.context, caller },
    auth: { ...call.auth, caller, user },
  };
  const { headers } = await storeBody(posting, withMinimum(openUploadBody(posting, { isOpenEnded: true }), size));
  return answer(posting, headers, fields);
}

function readKey(fields: Fields): string {
  const key = fields.get('key');
  if (key !== undefined) return key;
  const message =
    "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
  throw s3Fault('InvalidArgument', message, { ArgumentName: 'key', ArgumentValue: '' });
}

/** The file as a body of unknown length that ends where the policy says. */
function ranged({ read }: Posted, { max }: SizeRange): HttpBody {
  let bytes = 0;
  const next = async (): Promise<Uint8Array | undefined> => {
    const piece = await read();
    bytes += piece?.length ?? 0;
    if (bytes > max) {
      throw s3Fault('EntityTooLarge', '', { ProposedSize: String(bytes), MaxSizeAllowed: String(max) });
    }
    return piece;
  };
  const collect = async (): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for (let piece = await next(); piece; piece = await next()) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  return { lengthBytes: undefined, read: next, collect };
}

type Upload = ReturnType<typeof openUploadBody>;

function withMinimum(upload: Upload, { min }: SizeRange): Upload {
  if (min === 0) return upload;
  const finish: PutOptions['finish'] = (received) => {
    if (received.sizeBytes < min) {
      const sizes = { ProposedSize: String(received.sizeBytes), MinSizeAllowed: String(min) };
      throw s3Fault('EntityTooSmall', '', sizes);
    }
    return upload.finish?.(received) ?? {};
  };
  return { ...upload, finish };
}

/** A PUT whose headers are the fields that mean one. */
function asRequest(request: HttpRequest, fields: Fields, body: HttpBody): HttpRequest {
  const headers = new Map<string, string>();
  const add = (name: string, value: string): void =>
    void headers.set(name, Buffer.from(value, 'utf8').toString('latin1'));
  const host = request.headers.get('host');
  if (host !== undefined) headers.set('host', host);
  for (const [name, value] of fields) {
    if (name === 'acl') add('x-amz-acl', value);
    else if (name === 'tagging') add('x-amz-tagging', tagQuery(value));
    else if (STORED_FIELDS.has(name) || (name.startsWith('x-amz-') && !NOT_HEADERS.has(name))) add(name, value);
  }
  const lines = [...headers].flat();
  const { path, query, signal, tls } = request;
  return {
    method: 'PUT',
    path,
    query,
    headers,
    headerLines: () => lines,
    body,
    tls,
    signal,
    get remoteAddress() {
      return request.remoteAddress;
    },
  };
}

function tagQuery(document: string): string {
  const tags = tagsOf(parseXml(Buffer.from(document, 'utf8'), 1000));
  return tags.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`).join('&');
}

/** A redirect, or 200, 201 or 204 as the form asks for. */
function answer(call: S3Call, headers: readonly string[], fields: Fields): HttpResponse {
  const etag = headers[headers.indexOf('ETag') + 1] ?? '';
  const target = redirectOf(fields);
  if (target !== undefined) {
    const query = `bucket=${encodeURIComponent(call.bucket)}&key=${encodeURIComponent(call.key)}&etag=${encodeURIComponent(etag)}`;
    return { status: 303, headers: [...headers, 'Location', `${target}${target.includes('?') ? '&' : '?'}${query}`] };
  }
  const location = objectLocation(call);
  const all = [...headers, 'Location', location];
  const status = fields.get('success_action_status');
  if (status === '200') return { status: 200, headers: all };
  if (status !== '201') return { status: 204, headers: all };
  const names = xmlElement('Location', location) + xmlElement('Bucket', call.bucket) + xmlElement('Key', call.key);
  const body = `${XML_DECLARATION}<PostResponse>${names}${xmlElement('ETag', etag)}</PostResponse>`;
  return { status: 201, headers: [...all, 'Content-Type', 'application/xml'], body };
}

/** What is no address counts as not given. */
function redirectOf(fields: Fields): string | undefined {
  const target = fields.get('success_action_redirect') ?? fields.get('redirect');
  return target !== undefined && /^https?:\/\/[\x21-\x7e]+$/.test(target) ? target : undefined;
}
