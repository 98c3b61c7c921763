/**
 * Deleting many objects for one request, with Swift's report of it: always 200, what happened is in the body. Shared by
 * bulk deletion and by the deletion of large objects with their segments.
 */
import { isFault } from '../../fabric/errors.ts';
import { type ObjectRef, storeFaults } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { statusLine, statusOf } from './errors.ts';
import { renderReport } from './report.ts';
import type { SwiftResponse } from './response.ts';

const DELETES_AT_ONCE = 8;

export interface Tally {
  deleted: number;
  notFound: number;
  readonly errors: [path: string, status: string][];
  /** Of the whole, when something worse than a single object's trouble came up. */
  status: number;
}

export function newTally(): Tally {
  return { deleted: 0, notFound: 0, errors: [], status: 200 };
}

/** Deletes all of them, a few at a time; a reference without an object is a container. */
export async function deleteEach(call: SwiftCall, refs: readonly ObjectRef[], tally: Tally): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let ref = refs[next++]; ref !== undefined; ref = refs[next++]) await deleteOne(call, ref, tally);
  };
  await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, refs.length) }, work));
}

async function deleteOne(call: SwiftCall, ref: ObjectRef, tally: Tally): Promise<void> {
  const { store } = call.world;
  try {
    if (ref.object === '') await store.deleteContainer(call, ref);
    const deleted = ref.object === '' ? { existed: true } : await store.deleteObject(call, ref, { vacates: true });
    if (deleted.existed && deleted.hadObject !== false) tally.deleted++;
    else tally.notFound++;
  } catch (error) {
    noteFailure(call, { ref, error }, tally);
  }
}

/** Counts a Fault; anything else is a bug and goes on. */
export function noteFailure(call: SwiftCall, failure: { ref: ObjectRef; error: unknown }, tally: Tally): void {
  const { ref, error } = failure;
  if (!isFault(error)) throw error;
  if (error.code === storeFaults.noSuchObject || error.code === storeFaults.noSuchContainer) {
    tally.notFound++;
    return;
  }
  const status = statusOf(error, call);
  tally.errors.push([pathOf(ref), statusLine(status)]);
  if (status >= 500) tally.status = 502;
}

export function pathOf(ref: ObjectRef): string {
  return ref.object === '' ? `/${ref.container}` : `/${ref.container}/${ref.object}`;
}

export function tallyResponse(call: SwiftCall, tally: Tally, text = ''): SwiftResponse {
  const { contentType, body } = renderReport(call, {
    root: 'delete',
    fields: [
      ['Number Deleted', tally.deleted],
      ['Number Not Found', tally.notFound],
      ['Response Status', statusLine(wholeStatus(tally))],
      ['Response Body', text],
    ],
    errors: tally.errors,
  });
  return { status: 200, headers: ['Content-Type', contentType], body };
}

function wholeStatus(tally: Tally): number {
  if (tally.status !== 200) return tally.status;
  return tally.errors.length > 0 ? 400 : 200;
}
