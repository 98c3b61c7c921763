/**
 * Where a chunk is already: in this upload, or somewhere in the lineage. What is condemned does not count, because it may be
 * swept at any time. Equal chunks that come at once are uploaded once.
 */
import type { FingerprintSet } from './fingerprint-set.ts';
import { type ContentId, contentPrefix, hashPrefix, parseContentName } from './names.ts';
import type { ObjectClient } from './object-client.ts';

/** Chunks of this upload that are remembered: about 200 bytes each. */
const RECENT_MAX = 16_384;

export interface Placed extends ContentId {
  /** Of the whole object. */
  readonly storedBytes: number;
}

export interface DedupOptions {
  readonly client: ObjectClient;
  readonly lineage: string;
  readonly condemned: FingerprintSet;
  /** False when the lineage holds nothing yet, so that there is nothing to ask for. */
  readonly lookUp: boolean;
}

export class Dedup {
  readonly #options: DedupOptions;
  readonly #recent = new Map<string, Promise<Placed>>();

  constructor(options: DedupOptions) {
    this.#options = options;
  }

  /** `upload` is called when the chunk is nowhere. */
  async place(hash: Buffer, upload: () => Promise<Placed>): Promise<{ placed: Placed; found: boolean }> {
    const name = hash.toString('hex');
    const recent = this.#recent.get(name);
    if (recent !== undefined) return { placed: await recent, found: true };
    let found = true;
    const placing = (async () => {
      const there = this.#options.lookUp ? await this.#find(hash) : undefined;
      found = there !== undefined;
      return there ?? (await upload());
    })();
    this.#remember(name, placing);
    return { placed: await placing, found };
  }

  #remember(name: string, placing: Promise<Placed>): void {
    this.#recent.set(name, placing);
    placing.catch(() => this.#recent.delete(name));
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > RECENT_MAX && oldest !== undefined) this.#recent.delete(oldest);
  }

  async #find(hash: Buffer): Promise<Placed | undefined> {
    const { client, lineage, condemned } = this.#options;
    for await (const { name, bytes } of client.list({ prefix: hashPrefix('chunks', lineage, hash) })) {
      const id = parseContentName(name, contentPrefix('chunks', lineage));
      if (id !== undefined && !condemned.has('chunks', id)) return { ...id, storedBytes: bytes };
    }
    return undefined;
  }
}

export async function lineageIsEmpty(client: ObjectClient, lineage: string): Promise<boolean> {
  for await (const _ of client.list({ prefix: contentPrefix('chunks', lineage), pageNames: 1 })) return false;
  return true;
}
