/** Metadata of accounts and containers: changes laid over what is there, within a limit. */
import type { Metadata } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { type MetadataChange, storeFaults } from './contract.ts';

const METADATA_BYTES_MAX = 64 * 1024;

/** null removes. Fault TooMuchMetadata. */
export function applyChange(metadata: Metadata, change: MetadataChange = {}): Metadata {
  const next: Record<string, string> = { ...metadata };
  let bytes = 0;
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete next[name];
    else next[name] = value;
  }
  for (const name in next) bytes += name.length + (next[name] as string).length;
  if (bytes > METADATA_BYTES_MAX) throw new Fault(storeFaults.tooMuchMetadata, { bytes, bytesMax: METADATA_BYTES_MAX });
  return next;
}
