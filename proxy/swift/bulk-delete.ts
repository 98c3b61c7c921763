/**
 * `POST` or `DELETE /v1/{account}?bulk-delete`: removes the objects, and empty containers, that the body lists, a
 * percent-encoded path a line. Clients use it to remove the segments of what they uploaded in pieces.
 */
import { isFault } from '../../fabric/errors.ts';
import type { ObjectRef } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { deleteEach, newTally, type Tally, tallyResponse } from './delete-many.ts';
import { statusLine } from './errors.ts';
import { CONTAINER_NAME_BYTES_MAX, decodeName, OBJECT_NAME_BYTES_MAX } from './names.ts';
import type { SwiftResponse } from './response.ts';

export const BULK_DELETES_MAX = 10_000;
const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** A path, every byte of it escaped. */
const LINE_BYTES_MAX = 3 * (CONTAINER_NAME_BYTES_MAX + OBJECT_NAME_BYTES_MAX + 2);

export async function bulkDelete(call: SwiftCall): Promise<SwiftResponse> {
  const tally = newTally();
  const lines = await readLines(call);
  if (typeof lines === 'string') return refusedResponse(call, tally, lines);
  const refs = lines.flatMap((line) => parseLine(call, line.trim(), tally.errors));
  // Containers last, so that those emptied here can go.
  const objects = refs.filter((ref) => ref.object !== '');
  await deleteEach(call, objects, tally);
  const containers = refs.filter((ref) => ref.object === '');
  await deleteEach(call, containers, tally);
  return tallyResponse(call, tally);
}

/** The paths, or the status that the report refuses all of them with. */
async function readLines(call: SwiftCall): Promise<readonly string[] | keyof typeof REFUSALS> {
  const type = call.header('content-type') ?? '';
  if (type !== '' && !type.startsWith('text/plain')) return 'type';
  const body = await call.http.body.collect(BODY_BYTES_MAX);
  const lines = body
    .toString('latin1')
    .split('\n')
    .filter((line) => line.trim() !== '');
  if (lines.length > BULK_DELETES_MAX) return 'many';
  if (lines.some((line) => line.length > LINE_BYTES_MAX)) return 'name';
  return lines.length === 0 ? 'nothing' : lines;
}

const REFUSALS = {
  nothing: [400, 'Invalid bulk delete.'],
  name: [400, 'Invalid File Name'],
  type: [406, ''],
  many: [413, `Maximum Bulk Deletes: ${BULK_DELETES_MAX} per request`],
} as const;

/** Swift's clients look for the refusal in the report, not in the status. */
function refusedResponse(call: SwiftCall, tally: Tally, why: keyof typeof REFUSALS): SwiftResponse {
  const [status, text] = REFUSALS[why];
  tally.status = status;
  return tallyResponse(call, tally, text);
}

function parseLine(call: SwiftCall, line: string, errors: [string, string][]): ObjectRef[] {
  try {
    const path = decodeName(line);
    const start = path.startsWith('/') ? 1 : 0;
    const slash = path.indexOf('/', start);
    const container = slash < 0 ? path.slice(start) : path.slice(start, slash);
    if (container !== '')
      return [{ account: call.account ?? '', container, object: slash < 0 ? '' : path.slice(slash + 1) }];
  } catch (error) {
    if (!isFault(error)) throw error;
  }
  errors.push([line, statusLine(412)]);
  return [];
}
