/** Parameters of a listing. */
import type { ListQuery } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { refuseAsPage, swiftFaults } from './faults.ts';
import { isTrue } from './true-value.ts';

export const LISTING_LIMIT_MAX = 10_000;

/** 412 for a limit above the most; a limit that is no number does not count. */
export function readListQuery(call: SwiftCall): ListQuery {
  const { params } = call;
  if (params.size === 0) return WHOLE;
  return {
    prefix: params.get('prefix'),
    delimiter: params.get('delimiter'),
    marker: params.get('marker'),
    endMarker: params.get('end_marker'),
    limit: readLimit(params.get('limit')),
    reverse: isTrue(params.get('reverse')),
  };
}
const WHOLE: ListQuery = { limit: LISTING_LIMIT_MAX };

function readLimit(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) return LISTING_LIMIT_MAX;
  const limit = Number(text);
  if (limit > LISTING_LIMIT_MAX)
    throw refuseAsPage(swiftFaults.preconditionFailed, `Maximum limit is ${LISTING_LIMIT_MAX}`);
  return limit;
}
