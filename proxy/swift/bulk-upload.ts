/**
 * `PUT …?extract-archive=tar`: the files of an archive become objects, below the path of the request; containers are made
 * as they are met. The report says what was made and what was not; it comes with status 200 whatever it says.
 * https://docs.openstack.org/swift/latest/api/bulk_operations.html
 */
import { isFault } from '../../fabric/errors.ts';
import { type ObjectAttributes, type ObjectRef, storeFaults } from '../object/contract.ts';
import { type ArchivedFile, type Packing, readArchive } from './archive.ts';
import type { SwiftCall } from './call.ts';
import { guessContentType } from './content-type.ts';
import { statusLine, statusOf } from './errors.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { checkLimits, isHeaderText } from './metadata.ts';
import { OBJECT_NAME_BYTES_MAX, utf8Length, withoutEndSlashes } from './names.ts';
import { readDeleteAt } from './object-headers.ts';
import { FILE_BYTES_MAX } from './object-put.ts';
import { renderReport } from './report.ts';
import type { SwiftResponse } from './response.ts';

export const CONTAINERS_MAX = 10_000;
export const FAILURES_MAX = 1_000;

interface Tally {
  created: number;
  readonly errors: [path: string, status: string][];
  readonly containers: Set<string>;
}

/** Why nothing more of the archive is read. */
interface Stop {
  readonly status: number;
  readonly text: string;
}

export async function extractArchive(call: SwiftCall): Promise<SwiftResponse> {
  const packing = readPacking(call.params.get('extract-archive') ?? '');
  const { body } = call.http;
  const tally: Tally = { created: 0, errors: [], containers: new Set() };
  const isEmpty = body.lengthBytes === 0;
  const stop = isEmpty ? { status: 411, text: '' } : await extractAll(call, packing, tally);
  return report(call, tally, stop ?? verdict(tally));
}

function readPacking(text: string): Packing {
  const format = text.toLowerCase().replace(/^\.+|\.+$/g, '');
  if (format === 'tar' || format === 'tar.gz' || format === 'tar.bz2') return format;
  throw refuseAsPage(swiftFaults.badRequest, 'Unsupported archive format');
}

async function extractAll(call: SwiftCall, packing: Packing, tally: Tally): Promise<Stop | undefined> {
  const deleteAt = readDeleteAt(call);
  try {
    for await (const file of readArchive(call.http.body, packing)) {
      const stop = await extractOne(call, { file, deleteAt }, tally);
      if (stop) return stop;
      if (tally.errors.length >= FAILURES_MAX) return { status: 400, text: '' };
    }
  } catch (error) {
    // What the archive's reader throws is about the archive; a Fault is not.
    if (isFault(error)) throw error;
    return { status: 400, text: `Invalid Tar File: ${(error as Error).message}` };
  }
  return undefined;
}

interface Extracted {
  readonly file: ArchivedFile;
  readonly deleteAt: number | undefined;
}

async function extractOne(call: SwiftCall, { file, deleteAt }: Extracted, tally: Tally): Promise<Stop | undefined> {
  const path = pathOf(call, file.name);
  const slash = path.indexOf('/');
  // A file at the top would be a container.
  if (slash < 0) return undefined;
  const ref = { account: call.account ?? '', container: path.slice(0, slash), object: path.slice(slash + 1) };
  const why = problemOf(ref, file);
  if (why !== undefined) {
    tally.errors.push([path, statusLine(why)]);
    return undefined;
  }
  tally.containers.add(ref.container);
  if (tally.containers.size > CONTAINERS_MAX) {
    return { status: 400, text: `More than ${CONTAINERS_MAX} containers to create from tar.` };
  }
  try {
    await put(call, ref, { file, deleteAt });
    tally.created++;
  } catch (error) {
    const status = statusOf(error, call);
    if (!isFault(error) || status === 499) throw error;
    tally.errors.push([path, statusLine(status)]);
    if (status === 401 || status === 403) return { status, text: '' };
  }
  return undefined;
}

/** `./a`, `/a` and `a` are one name. */
function pathOf(call: SwiftCall, name: string): string {
  const bare = (name.startsWith('./') ? name.slice(2) : name).replace(/^\/+/, '');
  const above = call.object === '' ? call.container : `${call.container}/${call.object}`;
  return above === '' ? bare : `${withoutEndSlashes(above)}/${bare}`;
}

/** Status of a file that cannot become an object. */
function problemOf({ container, object }: ObjectRef, { name, sizeBytes }: ArchivedFile): number | undefined {
  const climbs = name.split('/').includes('..');
  if (climbs || /[\0\ufffd]/.test(name) || container === '' || object === '') return 412;
  if (utf8Length(object) > OBJECT_NAME_BYTES_MAX) return 400;
  return sizeBytes > FILE_BYTES_MAX ? 413 : undefined;
}

async function put(call: SwiftCall, ref: ObjectRef, { file, deleteAt }: Extracted): Promise<void> {
  const { store } = call.world;
  const options = { ...attributesOf(ref, file), deleteAt, body: file.body, bodyBytesMax: FILE_BYTES_MAX };
  try {
    await store.putObject(call, ref, options);
  } catch (error) {
    // Nothing of the body has been asked for then.
    if (!isFault(error, storeFaults.noSuchContainer)) throw error;
    await store.createContainer(call, ref, {});
    await store.putObject(call, ref, options);
  }
}

function attributesOf(ref: ObjectRef, { attributes }: ArchivedFile): ObjectAttributes {
  const { 'content-type': contentType = guessContentType(ref.object), ...rest } = attributes;
  const user: Record<string, string> = {};
  for (const [name, value] of Object.entries(rest)) user[name.slice('x-object-meta-'.length)] = value;
  for (const text of [contentType, ...Object.entries(user).flat()]) {
    if (!isHeaderText(text)) throw refuse(swiftFaults.badRequest, 'An attribute cannot be a header');
  }
  checkLimits(user, 'object');
  return { contentType, user };
}

function verdict({ created, errors }: Tally): Stop {
  if (errors.length > 0) return { status: 400, text: '' };
  return created > 0 ? { status: 201, text: '' } : { status: 400, text: 'Invalid Tar File: No Valid Files' };
}

function report(call: SwiftCall, { created, errors }: Tally, { status, text }: Stop): SwiftResponse {
  const { contentType, body } = renderReport(call, {
    root: 'extract',
    fields: [
      ['Number Files Created', created],
      ['Response Status', statusLine(status)],
      ['Response Body', text],
    ],
    errors,
  });
  return { status: 200, headers: ['Content-Type', contentType], body };
}
