/** Metadata of accounts and containers: changes laid over what is there, within a limit. */
import type { Metadata } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { type MetadataChange, storeFaults } from './contract.ts';

const METADATA_BYTES_MAX = 64 * 1024;
/** Of what clients set, in all, as Swift's limits are. */
const META_COUNT_MAX = 90;
const META_TOTAL_BYTES_MAX = 4096;
const META = /^x-(account|container)-meta-/;

/** `over` laid over an object's headers; '' takes one away. */
export function overlaid(headers: Metadata | undefined, over: Metadata | undefined): Metadata | undefined {
  if (over === undefined) return headers;
  return Object.fromEntries(Object.entries({ ...headers, ...over }).filter(([, value]) => value !== ''));
}

/** null removes. Fault TooMuchMetadata. */
export function applyChange(metadata: Metadata, change: MetadataChange = {}): Metadata {
  const next: Record<string, string> = { ...metadata };
  let bytes = 0;
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete next[name];
    else next[name] = value;
  }
  let ownBytes = 0;
  let ownCount = 0;
  for (const name in next) {
    const value = next[name] as string;
    bytes += name.length + value.length;
    const start = META.exec(name)?.[0].length;
    if (start === undefined) continue;
    ownCount++;
    ownBytes += name.length - start + value.length;
  }
  const isLess = Object.values(change).every((value) => value === null);
  if (!isLess && (ownCount > META_COUNT_MAX || ownBytes > META_TOTAL_BYTES_MAX))
    throw new Fault(storeFaults.tooMuchMetadata, { count: ownCount, bytes: ownBytes });
  if (bytes > METADATA_BYTES_MAX) throw new Fault(storeFaults.tooMuchMetadata, { bytes, bytesMax: METADATA_BYTES_MAX });
  return next;
}
