/**
 * A client lists every version of a container page by page. What was there all the time must be shown, what was never there
 * must not, nothing is shown twice, and of one name one version at most is the latest. What came or went meanwhile may be
 * either: a listing is no snapshot.
 */
import type { VersionEntry } from '../../proxy/object/contract.ts';
import { ACCOUNT, type Action, type Attempt, CONTEXT, isUnknown, learnEtag, note, operationOf } from './attempt.ts';
import { expect } from './history.ts';
import { findLayer, NULL_ID } from './stack.ts';
import { stackRegister } from './version-actions.ts';
import type { KnownVersion } from './version-book.ts';

const PAGES_MAX = 100;

type Shown = Exclude<VersionEntry, { prefix: string }>;

export function listVersionsAction(attempt: Attempt): Action {
  const { chance, mix, proxy } = attempt;
  const container = chance.pick(mix.containers);
  // The null version has no place of its own in time: a page cannot start behind one that moves.
  const limit = mix.stacks?.[container]?.['objectLock'] === undefined ? 1_000 : chance.pick([1, 2, 5, 1_000]);
  return {
    text: `list versions of ${container}, ${limit} a page`,
    run: () => listAll(attempt, container, limit),
    settle(outcome, end) {
      if (isUnknown(outcome)) return;
      if (outcome.fault) throw new Error(`list versions: unexpected ${outcome.fault.code}`);
      const entries = outcome.value as readonly Shown[];
      checkOnce(entries, `${container} through ${proxy.name}`, limit);
      for (const entry of entries) noteShown(attempt, { container, entry, end });
      noteMissing(attempt, { container, entries, end });
    },
  };
}

async function listAll({ proxy }: Attempt, container: string, limit: number): Promise<readonly Shown[]> {
  const entries: Shown[] = [];
  let from: { marker?: string; versionIdMarker?: string } = {};
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await proxy.store.listVersions(CONTEXT, { account: ACCOUNT, container }, { limit, ...from });
    for (const entry of page.entries) if ('name' in entry) entries.push(entry);
    const last = entries.at(-1);
    if (!page.truncated || !last) return entries;
    from = { marker: last.name, versionIdMarker: last.versionId };
  }
  throw new Error(`${container}: no end of versions after ${PAGES_MAX} pages`);
}

/** Throws what is listed twice, or the second latest version of a name on one page. */
export function checkOnce(entries: readonly Shown[], where: string, limit: number): void {
  const seen = new Set<string>();
  for (const [i, { name, versionId, isLatest }] of entries.entries()) {
    const latest = `${name} latest on page ${Math.floor(i / limit)}`;
    for (const id of [`${name} ${versionId}`, ...(isLatest ? [latest] : [])]) {
      if (seen.has(id)) throw new Error(`${where} lists ${id} twice`);
      seen.add(id);
    }
  }
}

interface Seen {
  readonly container: string;
  readonly end: number;
}

/** Of a write that nobody acknowledged the row may be there before the version, and go again. */
function noteShown(attempt: Attempt, { container, entry, end }: Seen & { readonly entry: Shown }): void {
  const { history } = attempt;
  const ref = { account: ACCOUNT, container, object: entry.name };
  const made = entry.deleteMarker ? markerOf(attempt, ref.object, entry) : operationOf(entry.contentType);
  if (made === undefined) return;
  if (!entry.deleteMarker) {
    learnEtag(history, made, entry.etag);
    history.versions.saw({ made, ref, id: entry.versionId, marker: false }, attempt.start);
  }
  const apply = expect((state) => !history.acknowledged.has(made) || findLayer(state, made) !== undefined);
  note(attempt, stackRegister(ref), { text: `listed: ${made}`, end, pure: true, apply });
}

function markerOf({ history }: Attempt, name: string, { versionId }: Shown): number | undefined {
  if (versionId === 'null') return undefined;
  for (const known of history.versions.known.values())
    if (known.marker && known.ref.object === name && known.id === versionId) return known.made;
  return undefined;
}

function noteMissing(
  attempt: Attempt,
  { container, entries, end }: Seen & { readonly entries: readonly Shown[] },
): void {
  const { history, mix } = attempt;
  for (const object of mix.objects) {
    const ref = { account: ACCOUNT, container, object };
    const isListed = (known: KnownVersion): boolean =>
      entries.some((entry) => {
        if (entry.name !== object || entry.deleteMarker !== known.marker) return false;
        return known.marker ? entry.versionId === known.id : operationOf(entry.contentType) === known.made;
      });
    for (const known of history.versions.of(ref)) {
      const { made } = known;
      if (isListed(known)) continue;
      // A null version's row goes with any write that may replace it.
      const mayHide = (): boolean =>
        known.id === NULL_ID ||
        !history.acknowledged.has(made) ||
        history.versions.doubtful.has(made) ||
        history.versions.wasBeingDeleted(made, { start: attempt.start, end });
      const apply = expect((state) => mayHide() || findLayer(state, made) === undefined);
      note(attempt, stackRegister(ref), { text: `not listed: ${made}`, end, pure: true, apply });
    }
  }
}
