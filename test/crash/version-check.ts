/**
 * Compares the versions that the store shows with those that clients were told of: every acknowledged one is listed and can
 * be read, no deleted one is, nothing is listed twice, and of one name one is the latest.
 */
import { insist } from './check.ts';
import type { Client } from './client.ts';
import { stateOf } from './ledger.ts';
import { VERSIONED, type VersionLedger } from './version-load.ts';

const LISTING_MAX = 10_000;
/** Versions read in full after a round. */
const READ_MAX = 100;
const PARALLEL = 8;

interface Listed {
  readonly name: string;
  readonly hash: string;
  readonly bytes: number;
  readonly version_id: string;
  readonly is_latest: boolean;
}

export async function checkVersions(
  client: Client,
  ledger: VersionLedger,
): Promise<{ readonly lost: string[]; readonly wrongRows: string[] }> {
  const lost: string[] = [];
  const wrongRows: string[] = [];
  const listed = new Map<string, Listed>();
  const latest = new Set<string>();
  for (const entry of await listAll(client)) {
    const id = `${VERSIONED}/${entry.name} ${entry.version_id}`;
    if (listed.has(id)) wrongRows.push(`VERSIONS ${id}: listed twice`);
    if (entry.is_latest && latest.has(entry.name)) wrongRows.push(`VERSIONS ${entry.name}: two are the latest`);
    if (entry.is_latest) latest.add(entry.name);
    listed.set(id, entry);
  }
  const toRead: { readonly name: string; readonly id: string; readonly state: string }[] = [];
  for (const [name, versions] of ledger.versions) {
    for (const [id, state] of versions) {
      const row = listed.get(`${name} ${id}`);
      if (!row) lost.push(`VERSIONS ${name} ${id}: not listed, though acknowledged`);
      else if (row.hash !== state) wrongRows.push(`VERSIONS ${name} ${id}: ${row.hash}, expected ${state}`);
      toRead.push({ name, id, state });
    }
    for (const id of ledger.gone.get(name) ?? [])
      if (listed.has(`${name} ${id}`)) lost.push(`VERSIONS ${name} ${id}: listed, though deleted`);
  }
  const waiting = toRead.slice(-READ_MAX);
  const reader = async (): Promise<void> => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      const body = await insist(client, `${one.name}?version-id=${one.id}`);
      const state = body && stateOf(body);
      if (state !== one.state) lost.push(`GET ${one.name} ${one.id}: ${state ?? 'absent'}, expected ${one.state}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, reader));
  return { lost, wrongRows };
}

async function listAll(client: Client): Promise<readonly Listed[]> {
  const all: Listed[] = [];
  for (let from = ''; ; ) {
    const body = await insist(client, `${VERSIONED}?versions&format=json&limit=${LISTING_MAX}${from}`);
    const page = JSON.parse((body ?? Buffer.from('[]')).toString()) as Listed[];
    all.push(...page);
    const last = page.at(-1);
    if (page.length < LISTING_MAX || !last) return all;
    from = `&marker=${encodeURIComponent(last.name)}&version_marker=${last.version_id}`;
  }
}
