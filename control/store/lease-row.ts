/** The row of a lease, and the check that a commit is still covered by one. Time is judged where leases are taken, never here. */
import { defineTable, type Lease } from '../contract.ts';
import { openRecord, RECORD_KIND } from './record-format.ts';
import { rowKey } from './row-key.ts';
import type { View } from './view.ts';

/** `holder` is '' once released; the row stays, so that tokens never come back. */
export interface LeaseRow {
  readonly holder: string;
  readonly token: number;
  readonly expiresAtMs: number;
}

export const LEASES = defineTable<LeaseRow>('control.leases');

export function holdsLease(view: View, { name, token, holder }: Lease): boolean {
  const key = rowKey(LEASES.name, name);
  const record = view.get(key);
  if (record === undefined) return false;
  const row = openRecord(record, key, RECORD_KIND.row) as LeaseRow;
  return row.token === token && row.holder === holder;
}
