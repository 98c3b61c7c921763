/** Key prefixes of whole tables: what a listing walks and what totals are kept for. */
import type { Stamp } from '../fabric/stamp.ts';
import {
  accountRowRest,
  type Key,
  KIND,
  KIND_AT,
  makeKey,
  REST_AT,
  rowRest,
  SPACE_REPLICATED,
  type Table,
} from '../object-server/contract.ts';

/** rest of a row: shard u16, table u8; of an account row: shard u16 (object-server/key-format.ts). */
const ROW_PREFIX_LENGTH = REST_AT + 3;
const ACCOUNT_PREFIX_LENGTH = REST_AT + 2;

/** `hash`: MD5 of /account/container as a latin1 string; `incarnation`: the container's stamp. */
export function tablePrefix(hash: string, incarnation: Stamp, table: Table, shard = 0): Key {
  return makeKey(hash, incarnation, KIND.row, rowRest(table, '', shard));
}

/** `hash`: MD5 of /account. `incarnation`: as the account rows are written with. */
export function accountPrefix(hash: string, incarnation: Stamp | undefined, shard = 0): Key {
  return makeKey(hash, incarnation, KIND.accountRow, accountRowRest('', shard));
}

/** Length of the table's prefix in a row's key; 0 when the key is no row (or a handoff copy of one). */
export function prefixLength(key: Key): number {
  if (key[0] !== SPACE_REPLICATED) return 0;
  const kind = key[KIND_AT];
  if (kind === KIND.row) return ROW_PREFIX_LENGTH;
  return kind === KIND.accountRow ? ACCOUNT_PREFIX_LENGTH : 0;
}
