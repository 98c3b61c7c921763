/** Nodes of manifests in the object store: written under their hash, verified by it when read, the last few kept. */
import { Fault } from '../../fabric/errors.ts';
import { repositoryFaults } from './faults.ts';
import type { Lineage } from './lineage.ts';
import { contentName } from './names.ts';
import { decodeNode, type Entries, encodeNode, type Ref, totalOf } from './node-format.ts';
import type { ObjectClient } from './object-client.ts';
import { keyedHash } from './seal.ts';

/** About 150 KiB each when full. */
const KEPT_NODES = 32;

export class NodeStore {
  readonly #client: ObjectClient;
  readonly #lineage: Lineage;
  readonly #kept = new Map<string, Promise<Entries>>();

  constructor(client: ObjectClient, lineage: Lineage) {
    this.#client = client;
    this.#lineage = lineage;
  }

  /** Fault SnapshotCorrupt, NoSuchStoredObject. */
  read(ref: Ref, level: number): Promise<Entries> {
    const name = contentName('nodes', this.#lineage.id, ref);
    const kept = this.#kept.get(name);
    if (kept !== undefined) {
      this.#kept.delete(name);
      this.#kept.set(name, kept);
      return kept;
    }
    const reading = this.#load(name, ref, level);
    this.#kept.set(name, reading);
    reading.catch(() => this.#kept.delete(name));
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_NODES && oldest !== undefined) this.#kept.delete(oldest);
    return reading;
  }

  async #load(name: string, ref: Ref, level: number): Promise<Entries> {
    const { body } = await this.#client.get(name);
    if (!keyedHash(this.#lineage.nodeKey, body).equals(ref.hash))
      throw new Fault(repositoryFaults.corrupt, { reason: 'node: hash', name });
    return decodeNode(body, level);
  }

  /** Resolves when it is durable. */
  async write(level: number, entries: Entries, generation: number): Promise<{ ref: Ref; bytes: number }> {
    const bytes = encodeNode(level, entries);
    const id = { hash: keyedHash(this.#lineage.nodeKey, bytes), generation };
    await this.#client.put(contentName('nodes', this.#lineage.id, id), bytes);
    return { ref: totalOf(id, entries), bytes: bytes.length };
  }
}
