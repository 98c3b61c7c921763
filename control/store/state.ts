/** The store's own record: which commit was the last, and where the change feed begins. */
import type { KvPut } from '../../fabric/kv.ts';
import { draftRecord, openRecord, RECORD_KIND, type StoreState, sealRecord } from './record-format.ts';
import { STATE_KEY } from './row-key.ts';
import type { View } from './view.ts';

export function readState(view: View): StoreState {
  const record = view.get(STATE_KEY);
  return record ? (openRecord(record, STATE_KEY, RECORD_KIND.state) as StoreState) : { revision: 0, feedFrom: 1 };
}

export function statePut(state: StoreState): KvPut {
  return [STATE_KEY, sealRecord(draftRecord(RECORD_KIND.state, state), STATE_KEY, state.revision)];
}
