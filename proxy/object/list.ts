/** Listings of a container: objects of the current table and open multipart uploads. */
import { decodeRow, type ListEntry } from '../../account-container/contract.ts';
import { headMeta, headStamp, type Key, latin1ToUtf8, TABLE } from '../../object-server/contract.ts';
import { type Action, authorise } from './authorise.ts';
import { containerInfo } from './container-info.ts';
import { withOlder } from './container-totals.ts';
import { type ContainerState, noContainer, rowPrefix } from './containers.ts';
import type { ContainerInfo, ContainerRef, Context, ListQuery, ObjectEntry, Page, UploadInfo } from './contract.ts';
import type { Engine } from './engine.ts';
import type { KeptPage } from './page-cache.ts';
import { listRows, rowQuery, stillListed } from './rows.ts';

export async function listObjects(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  query: ListQuery,
): Promise<Page<ObjectEntry> & { info: ContainerInfo }> {
  const container = await listable(engine, context, ref);
  const { entries, truncated, totals } = await objectPage(engine, container.rowPrefix, query);
  return { entries, truncated, info: containerInfo(container, await withOlder(engine.cluster, container, totals)) };
}

/** The page kept from before while two primaries hold the same rows as then. */
async function objectPage({ cluster, pages }: Engine, prefix: Key, query: ListQuery): Promise<KeptPage> {
  const kept = pages.get(prefix, query);
  if (kept && (await stillListed(cluster, prefix, kept.totals))) return kept;
  const { entries, truncated, totals } = await listRows(cluster, prefix, rowQuery(query));
  const page = { entries: entries.map(objectEntry), truncated, totals };
  pages.put(prefix, query, page);
  return page;
}

/** The container as a quorum has it: a listing must show everything acknowledged, also under a younger incarnation. */
export async function listable(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  action: Action = 'list',
): Promise<ContainerState> {
  const container = await engine.containers.findFresh(ref);
  authorise(context, action, ref, container?.record);
  if (!container) throw noContainer();
  return container;
}

const NO_EXTRA = Object.freeze({});

function objectEntry({ name, head }: ListEntry): ObjectEntry {
  if (!head) return { prefix: latin1ToUtf8(name) };
  const row = decodeRow(headMeta(head));
  return {
    name: latin1ToUtf8(name),
    sizeBytes: row.sizeBytes,
    etag: row.etag,
    contentType: row.contentType,
    stamp: headStamp(head),
    extra: row.extra ?? NO_EXTRA,
  };
}

/** Open uploads by name, then id. The rows' names are `name NUL uploadId`. */
export async function listUploads(
  engine: Engine,
  context: Context,
  ref: ContainerRef,
  query: ListQuery & { uploadIdMarker?: string },
): Promise<Page<{ prefix: string } | UploadInfo>> {
  return uploadsPage(engine, await listable(engine, context, ref), query);
}

/** Whoever asks. */
export async function uploadsPage(
  engine: Engine,
  container: ContainerState,
  query: ListQuery & { uploadIdMarker?: string },
): Promise<Page<{ prefix: string } | UploadInfo>> {
  const prefix = rowPrefix(container.hash, container.incarnation, TABLE.uploads);
  const { marker = '', uploadIdMarker } = query;
  // Without an id all uploads of the marker's name are passed over: \x01 sorts after every id behind NUL.
  const rowMarker = marker === '' ? '' : uploadIdMarker ? `${marker}\0${uploadIdMarker}` : `${marker}\x01`;
  const page = await listRows(engine.cluster, prefix, rowQuery({ ...query, marker: rowMarker }));
  return { entries: page.entries.map(uploadEntry), truncated: page.truncated };
}

function uploadEntry({ name, head }: ListEntry): { prefix: string } | UploadInfo {
  if (!head) return { prefix: latin1ToUtf8(name) };
  const [objectName = '', uploadId = ''] = latin1ToUtf8(name).split('\0');
  const { contentType, extra } = decodeRow(headMeta(head));
  const storageClass = extra?.['class'] as string | undefined;
  return {
    uploadId,
    name: objectName,
    stamp: headStamp(head),
    attributes: { contentType, headers: storageClass ? { 'x-amz-storage-class': storageClass } : {} },
    checksumAlgorithm: extra?.['algorithm'] as string | undefined,
    checksumType: extra?.['sumType'] as string | undefined,
    initiator: extra?.['by'] as string | undefined,
    owner: extra?.['owner'] as string | undefined,
  };
}
