/** Multipart uploads of the store in memory: which one is meant, and how they are listed. */
import { Fault } from '../fabric/errors.ts';
import { isForbidden } from '../proxy/object/authorise.ts';
import {
  type Context,
  type ListQuery,
  type ObjectRef,
  type Page,
  type Store,
  storeFaults,
  type UploadInfo,
} from '../proxy/object/contract.ts';
import { canonicalId } from '../proxy/object/grants.ts';
import { listNames } from './memory-store-rules.ts';
import { recordOf, type StoredContainer, type Upload } from './memory-store-state.ts';

export type MultipartOptions = Parameters<Store['completeUpload']>[3];

export function openUpload(
  { uploads }: StoredContainer,
  { object }: ObjectRef,
  { uploadId, evenCompleted }: { uploadId: string; evenCompleted: boolean },
): Upload {
  const upload = uploads.get(uploadId);
  if (upload?.info.name === object && (!upload.completed || evenCompleted)) return upload;
  throw new Fault(storeFaults.noSuchUpload, { uploadId });
}

const OF_INITIATOR: ReadonlySet<string> = new Set(['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts']);

/** The caller's own, where that is right enough. */
export function begunUpload(
  context: Context,
  ref: ObjectRef,
  container: StoredContainer | undefined,
  uploadId: string,
): Upload | undefined {
  const upload = container?.uploads.get(uploadId);
  const isOwn = upload && !upload.completed && upload.info.initiator === canonicalId(context.caller);
  if (!isOwn || !container || !OF_INITIATOR.has(context.scope?.action('write') ?? '')) return undefined;
  const isMeant = upload.info.name === ref.object && !isForbidden(context, 'write', ref, recordOf(container));
  return isMeant ? upload : undefined;
}

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
