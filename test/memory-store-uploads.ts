/** Multipart uploads of the store in memory, as they are listed. */
import type { ListQuery, Page, Store, UploadInfo } from '../proxy/object/contract.ts';
import { listNames } from './memory-store-rules.ts';
import type { StoredContainer } from './memory-store-state.ts';

export type MultipartOptions = Parameters<Store['completeUpload']>[3];

export function pageOfUploads(
  container: StoredContainer,
  query: ListQuery & { uploadIdMarker?: string },
): Page<{ prefix: string } | UploadInfo> {
  const { marker, uploadIdMarker = '' } = query;
  const open = [...container.uploads.values()].filter((upload) => !upload.completed);
  const after = open.filter(({ info }) => {
    if (marker === undefined || info.name > marker) return true;
    return info.name === marker && uploadIdMarker !== '' && info.uploadId > uploadIdMarker;
  });
  const names = [...new Set(after.map(({ info }) => info.name))];
  const groups = listNames(names, { ...query, marker: undefined, limit: names.length + 1 }).entries;
  const entries = groups.flatMap((entry): ({ prefix: string } | UploadInfo)[] => {
    if ('prefix' in entry) return entry.prefix === marker ? [] : [entry];
    return after.map(({ info }) => info).filter((info) => info.name === entry.name);
  });
  return { entries: entries.slice(0, query.limit), truncated: entries.length > query.limit };
}
