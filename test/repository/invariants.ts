/** What must hold of a repository whatever died: every acknowledged snapshot restores, and in the end nothing else is left. */

import type { Repository } from '../../block/repository/contract.ts';
import { FingerprintSet } from '../../block/repository/fingerprint-set.ts';
import { readLineage } from '../../block/repository/lineage.ts';
import { parseContentName } from '../../block/repository/names.ts';
import { NodeStore } from '../../block/repository/node-store.ts';
import { Tree } from '../../block/repository/tree.ts';
import { readEntry } from '../../block/repository/upload-state.ts';
import { walkTree } from '../../block/repository/walk.ts';
import { MemoryClient, type MemoryObjects } from './memory-objects.ts';
import { collectAll, openMemory, restored, sumOf } from './volume.ts';

/** Snapshot to the sum of its bytes. */
export type Acknowledged = ReadonlyMap<string, string>;

/** How contents are told from each other. */
export type Summed = (repository: Repository, snapshot: string) => Promise<string>;

/**
 * `maybe` are snapshots whose fate was unknown to who died: each is there whole or not at all. Returns those that are visible.
 * Unfinished uploads are given up, unfinished deletes are asked for again.
 */
export async function checkAfterCrash(
  store: MemoryObjects,
  acknowledged: Acknowledged,
  maybe: Acknowledged,
  summed: Summed = async (repository, snapshot) => sumOf(await restored(repository, snapshot)),
): Promise<string[]> {
  const { repository } = await openMemory(store);
  await checkVisible(repository, { acknowledged, maybe, summed });
  for (const ref of await repository.uploads()) await repository.abandonUpload(ref);
  // A delete whose outcome nobody was told is asked for again.
  for (const name of store.names('work/')) {
    const [, lineage = '', snapshot = '', why = ''] = name.split('/');
    if (why.startsWith('delete-')) await repository.delete({ lineage, snapshot });
  }
  await collectAll(repository);
  const visible = await checkVisible(repository, { acknowledged, maybe, summed });
  await checkNothingLeft(store, visible);
  return visible;
}

async function checkVisible(
  repository: Repository,
  { acknowledged, maybe, summed }: { acknowledged: Acknowledged; maybe: Acknowledged; summed: Summed },
): Promise<string[]> {
  const visible = (await repository.list()).map(({ snapshot }) => snapshot);
  for (const snapshot of acknowledged.keys())
    if (!visible.includes(snapshot)) throw new Error(`the acknowledged ${snapshot} is lost`);
  for (const snapshot of visible) {
    const expected = acknowledged.get(snapshot) ?? maybe.get(snapshot);
    if (expected === undefined) throw new Error(`${snapshot} came back`);
    const sum = await summed(repository, snapshot);
    if (sum !== expected) throw new Error(`${snapshot} differs`);
  }
  return visible;
}

/** Content that no visible snapshot refers to, and records that nobody needs. */
export async function checkNothingLeft(store: MemoryObjects, visible: readonly string[]): Promise<void> {
  const client = new MemoryClient(store);
  // Parts of a condemned set that no state ever named go with the next pass.
  const extra = store.names().filter((name) => /^(work|progress|readers)/.test(name));
  if (extra.length > 0) throw new Error(`left: ${extra.join(', ')}`);
  const content = [...store.names('chunks/'), ...store.names('nodes/')];
  if (content.length === 0) return;
  const nodes = new NodeStore(client, await readLineage(client, 'line'));
  const live = new FingerprintSet();
  for (const snapshot of visible) {
    const entry = await readEntry(client, { lineage: 'line', snapshot });
    if (entry?.kind !== 'snapshot') throw new Error(`${snapshot} is gone`);
    await walkTree(nodes, Tree.from(nodes, entry.value.tree), (kind, ref) => (live.add(kind, ref) ? 'enter' : 'skip'));
  }
  for (const name of content) {
    const kind = name.startsWith('chunks/') ? 'chunks' : 'nodes';
    const id = parseContentName(name, `${kind}/line/`);
    if (id && !live.has(kind, id)) throw new Error(`garbage is left: ${name}`);
  }
}
