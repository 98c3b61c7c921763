/**
 * Compares what the store shows now with what the client was told. What was acknowledged must be there at once, with its
 * row; where a request failed either outcome is right, but object and listing must agree on it within SETTLE_LIMIT_MS.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './client.ts';
import { type Ledger, type State, stateOf } from './ledger.ts';
import { CONTAINERS, rowsOf } from './load.ts';

const PARALLEL = 16;
/** Abandoned operations are finished by then: 15 s until they count as such, a pass every 5 s. */
const SETTLE_LIMIT_MS = 60_000;
const SETTLE_PAUSE_MS = 500;
/** Reads right after a recovery may meet a zone that is not back yet. */
const READ_ATTEMPTS = 40;
const READ_PAUSE_MS = 250;
const LISTING_MAX = 10_000;

export interface Findings {
  /** Acknowledged, and not what the store shows. */
  readonly lost: string[];
  /** Rows that do not say what their object is, and totals that do not say what the rows are. */
  readonly wrongRows: string[];
  readonly checked: number;
  /** How long doubtful names took to agree with their rows. */
  readonly settleSeconds: number;
}

export async function checkStore(
  client: Client,
  ledger: Ledger,
  containers: readonly string[] = CONTAINERS,
): Promise<Findings> {
  const { names } = ledger;
  const look = (): Promise<Seen> => lookAt(client, containers, names);
  const startedMs = performance.now();
  const lost: string[] = [];
  let wrongRows: string[] = [];
  const first = await look();
  for (const [name, state] of first.objects) {
    if (!ledger.allows(name, state)) lost.push(`GET ${name}: ${state ?? 'absent'}, expected ${ledger.expected(name)}`);
  }
  wrongRows = disagreements(first);
  const certain = wrongRows.filter((finding) => !isDoubtful(ledger, finding));
  let doubtful = wrongRows.length - certain.length;
  while (doubtful > 0 && performance.now() - startedMs < SETTLE_LIMIT_MS) {
    await sleep(SETTLE_PAUSE_MS);
    const again = await look();
    wrongRows = disagreements(again);
    doubtful = wrongRows.length;
  }
  const settleSeconds = (performance.now() - startedMs) / 1000;
  const last = await look();
  for (const [name, state] of last.objects) {
    if (!ledger.allows(name, state) && !lost.some((text) => text.startsWith(`GET ${name}:`))) {
      lost.push(`GET ${name} later: ${state ?? 'absent'}, expected ${ledger.expected(name)}`);
    }
    ledger.saw(name, state);
  }
  const totals = await wrongTotals(client, containers, last.rows);
  return {
    lost,
    wrongRows: [...new Set([...certain, ...disagreements(last), ...totals])],
    checked: names.length,
    settleSeconds,
  };
}

interface Seen {
  readonly objects: ReadonlyMap<string, State>;
  readonly rows: ReadonlyMap<string, string>;
}

async function lookAt(client: Client, containers: readonly string[], names: readonly string[]): Promise<Seen> {
  const objects = new Map<string, State>();
  const waiting = [...names];
  const reader = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
      objects.set(name, await read(client, name));
  };
  const rows = new Map<string, string>();
  for (const container of containers) {
    const body = await insist(client, `${container}?format=json&limit=${LISTING_MAX}`);
    if (body) for (const [name, hash] of rowsOf(container, body)) rows.set(name, hash);
  }
  await Promise.all(Array.from({ length: PARALLEL }, reader));
  return { objects, rows };
}

async function read(client: Client, name: string): Promise<State> {
  const body = await insist(client, name);
  return body ? stateOf(body) : undefined;
}

/** 200 or 404 in the end: an unavailable store is not a wrong one. */
export async function insist(client: Client, place: string): Promise<Buffer | undefined> {
  let failure = '';
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
    try {
      const answer = await client.ask('GET', `/${place}`);
      if (answer.status === 200) return answer.body;
      if (answer.status === 404) return undefined;
      failure = String(answer.status);
    } catch (error) {
      failure = (error as Error).message;
    }
    await sleep(READ_PAUSE_MS);
  }
  throw new Error(`GET ${place} does not work: ${failure}`);
}

function disagreements({ objects, rows }: Seen): string[] {
  const wrong: string[] = [];
  for (const name of new Set([...objects.keys(), ...rows.keys()])) {
    const row = rows.get(name);
    const object = objects.get(name);
    if (row !== object) wrong.push(`ROW ${name}: ${row ?? 'absent'}, the object is ${object ?? 'absent'}`);
  }
  return wrong;
}

const isDoubtful = (ledger: Ledger, finding: string): boolean =>
  ledger.isDoubtful(finding.slice('ROW '.length, finding.indexOf(':')));

async function wrongTotals(
  client: Client,
  containers: readonly string[],
  rows: ReadonlyMap<string, string>,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const container of containers) {
    const listed = [...rows.keys()].filter((name) => name.startsWith(`${container}/`)).length;
    const { status, headers } = await client.ask('HEAD', `/${container}`);
    const counted = Number(headers['x-container-object-count']);
    if (status === 204 && counted !== listed) wrong.push(`TOTALS ${container}: ${counted}, listed ${listed}`);
  }
  return wrong;
}
