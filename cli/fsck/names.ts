/** Keys as people read them: what a register says of itself, else its kind and the key in hex. */
import { type ContainerRecord, decodeRecord } from '../../account-container/contract.ts';
import {
  headMeta,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  KIND_AT,
  keyKind,
  latin1ToUtf8,
  makeKey,
  packHex,
  REST_AT,
} from '../../object-server/contract.ts';
import { decodeMeta, type Gravestone } from '../../proxy/object/object-format.ts';
import type { Held } from './inventory.ts';

export type Namer = (key: Key) => string;

const KIND_NAMES: ReadonlyMap<string, string> = new Map(Object.entries(KIND).map(([name, kind]) => [kind, name]));
const NAMED: readonly string[] = [KIND.object, KIND.upload, KIND.version];
/** Shard and table in front of a row's name. */
const ROW_NAME_AT = REST_AT + 3;

export const kindName = (key: Key): string => KIND_NAMES.get(keyKind(key)) ?? 'key';

export function createNamer(keys: ReadonlyMap<Key, Held>): Namer {
  return (key) => `${kindName(key)} ${nameOf(keys, key) ?? Buffer.from(key, 'latin1').toString('hex')}`;
}

function nameOf(keys: ReadonlyMap<Key, Held>, key: Key): string | undefined {
  try {
    const kind = keyKind(key);
    if (kind === KIND.row) return rowName(keys, key);
    const head = keys.get(key)?.head;
    if (!head) return undefined;
    if (kind === KIND.container) {
      const { account, name } = decodeRecord<ContainerRecord>(headMeta(head));
      return `${account}/${name}`;
    }
    if (!NAMED.includes(kind)) return undefined;
    const { account, container, name } = decodeMeta<Gravestone>(head);
    return `${account}/${container}/${name}`;
  } catch {
    // Its meta is not what this version writes: the hex form has to do.
    return undefined;
  }
}

function rowName(keys: ReadonlyMap<Key, Held>, key: Key): string {
  const name = JSON.stringify(latin1ToUtf8(key.slice(ROW_NAME_AT)));
  const container = keys.get(containerOfRow(key));
  if (!container) return name;
  const record = decodeRecord<ContainerRecord>(headMeta(container.head));
  return `${record.account}/${record.name}/${latin1ToUtf8(key.slice(ROW_NAME_AT))}`;
}

export const containerOfRow = (key: Key): Key => makeKey(key.slice(1, KIND_AT - 8), undefined, KIND.container);

/** Whether `key` was written under the container as it is now, and not under one of the same name before. */
export function isCurrent(container: Held | undefined, key: Key): boolean {
  if (!container || isTombstone(container.head)) return false;
  return packHex(headStamp(container.head)) === key.slice(KIND_AT - 8, KIND_AT);
}
