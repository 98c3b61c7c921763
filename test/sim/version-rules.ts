/** Rules of versions that are checked on the cluster itself when all is well again. Each throws what it found broken. */
import type { ObjectRef, Store, VersionEntry } from '../../proxy/object/contract.ts';
import { ACCOUNT, CONTEXT, type Mix } from './attempt.ts';
import { readAll } from './body.ts';
import { checkOnce } from './list-versions-action.ts';
import { ifThere, VERSIONS_MAX } from './rules.ts';
import type { SimCluster } from './sim-cluster.ts';

/** A version that a client was told of. */
export interface KeptVersion {
  readonly ref: ObjectRef;
  readonly versionId: string;
  readonly etag: string;
}

/** No operation leaves two versions. `made`: versions by the operation that made them, which is their content type. */
async function once(store: Store, ref: ObjectRef, made: Map<string, string>): Promise<void> {
  const { contentType } = await store.headObject(CONTEXT, ref);
  const before = made.get(contentType);
  if (before !== undefined) throw new Error(`${contentType} made ${before} and ${ref.versionId} of ${ref.object}`);
  made.set(contentType, ref.versionId as string);
}

/** Every acknowledged version can be read through any proxy, and is listed once. Throws what disagrees. */
export async function keepsVersions(cluster: SimCluster, kept: readonly KeptVersion[]): Promise<void> {
  for (const { name: proxy, store } of cluster.proxies) {
    const listed = new Map<string, number>();
    const made = new Map<string, string>();
    for (const container of new Set(kept.map(({ ref }) => ref.container))) {
      const { entries } = await store.listVersions(CONTEXT, { account: ACCOUNT, container }, { limit: VERSIONS_MAX });
      for (const entry of entries) {
        if ('prefix' in entry) continue;
        if (!entry.deleteMarker) {
          const { name: object, versionId } = entry;
          await once(store, { account: ACCOUNT, container, object, versionId }, made);
        }
        for (const id of [`${entry.name} ${entry.versionId}`, ...(entry.isLatest ? [`${entry.name} latest`] : [])]) {
          const count = (listed.get(id) ?? 0) + 1;
          if (count > 1) throw new Error(`${proxy} lists ${id} ${count} times`);
          listed.set(id, count);
        }
      }
    }
    for (const { ref, versionId, etag } of kept) {
      const object = await store.getObject(CONTEXT, { ...ref, versionId });
      const body = await readAll(object);
      const id = `${ref.object} ${versionId}`;
      if (object.info.etag !== etag) throw new Error(`${proxy} gives ${object.info.etag} of ${id}, not ${etag}`);
      if (body.length !== object.info.sizeBytes) throw new Error(`${proxy} gives ${body.length} bytes of ${id}`);
      if (!listed.has(id)) throw new Error(`${proxy} does not list ${id}, which was acknowledged`);
    }
  }
}

/** Of every name the newest version is the one that plain requests get, and every listed one can be had under its id. */
export async function listsVersions(cluster: SimCluster, { containers }: Mix): Promise<void> {
  for (const { name: proxy, store } of cluster.proxies) {
    for (const container of containers) {
      const ref = { account: ACCOUNT, container };
      const { entries } = await store.listVersions(CONTEXT, ref, { limit: VERSIONS_MAX });
      const versions = entries.filter((entry): entry is Listed => 'name' in entry);
      checkOnce(versions, `${proxy}: ${container}`, VERSIONS_MAX);
      const names = new Map<string, Listed[]>();
      for (const entry of versions) names.set(entry.name, [...(names.get(entry.name) ?? []), entry]);
      for (const [object, list] of names) await checkName(store, { ...ref, object }, list);
    }
  }
}

type Listed = Exclude<VersionEntry, { prefix: string }>;

async function checkName(store: Store, ref: ObjectRef, versions: readonly Listed[]): Promise<void> {
  const where = `${ref.container}/${ref.object}`;
  const [newest] = versions as [Listed];
  if (!newest.isLatest) throw new Error(`${where}: the newest of ${versions.length} versions is not the latest`);
  const current = await ifThere(store.headObject(CONTEXT, ref));
  const expected = newest.deleteMarker ? undefined : newest.versionId;
  if ((current && (current.versionId ?? 'null')) !== expected)
    throw new Error(
      `${where} is ${current?.versionId ?? 'absent'}; the latest version listed is ${expected ?? 'a delete marker'}`,
    );
  for (const { versionId, deleteMarker, etag } of versions) {
    if (deleteMarker) continue;
    const info = await store.headObject(CONTEXT, { ...ref, versionId });
    if (info.etag !== etag) throw new Error(`${where} ${versionId} is listed as ${etag}; it is ${info.etag}`);
  }
}
