/** Tells of an object, or of an upload, when a lifecycle rule of its bucket will take it. Costs nothing where there are no rules. */
import { stampMs } from '../../fabric/stamp.ts';
import { headStamp } from '../../object-server/contract.ts';
import type { ContainerState } from './containers.ts';
import type { ObjectInfo, UploadInfo } from './contract.ts';
import type { Engine } from './engine.ts';
import { abortOf, expirationOf, rulesOf } from './lifecycle-rules.ts';
import type { ObjectRecord } from './object-format.ts';

/** Of the current version. */
export function expirationIn(
  engine: Engine,
  container: ContainerState,
  { record, register }: { readonly record: ObjectRecord; readonly register: { readonly head: Buffer } },
): ObjectInfo['expiration'] {
  const seen = { name: record.name, sizeBytes: record.size, tags: record.tags };
  const createdMs = stampMs(headStamp(register.head));
  return expirationOf(rulesOf(container.record) ?? [], { ...seen, createdMs }, engine.lifecycleDayMs);
}

/** `info`: of the current version. */
export function withExpiration(
  engine: Engine,
  container: ContainerState,
  record: ObjectRecord,
  info: ObjectInfo,
): ObjectInfo {
  const rules = rulesOf(container.record);
  if (rules === undefined) return info;
  const seen = { name: record.name, sizeBytes: record.size, createdMs: stampMs(info.stamp), tags: record.tags };
  const expiration = expirationOf(rules, seen, engine.lifecycleDayMs);
  return expiration === undefined ? info : { ...info, expiration };
}

export function withAbort(engine: Engine, container: ContainerState, info: UploadInfo): UploadInfo {
  const rules = rulesOf(container.record);
  if (rules === undefined) return info;
  const abort = abortOf(rules, { name: info.name, startedMs: stampMs(info.stamp) }, engine.lifecycleDayMs);
  return abort === undefined ? info : { ...info, abort };
}
