/**
 * An object store in memory for tests, with ETags by content as the real one has, and clients that can be made to die: at the
 * n-th operation, before or after it took effect; a dead client does nothing any more. `wait` lets a test order what happens.
 */
import { createHash } from 'node:crypto';
import { repositoryFaults } from '../../block/repository/faults.ts';
import type { ListedObject, ListOptions, ObjectClient, PutCondition } from '../../block/repository/object-client.ts';
import { Fault } from '../../fabric/errors.ts';

export class MemoryObjects {
  readonly objects = new Map<string, { readonly body: Buffer; readonly etag: string }>();
  #sorted: string[] = [];

  /** In order. */
  names(prefix = ''): string[] {
    if (this.#sorted.length !== this.objects.size || !this.#sorted.every((name) => this.objects.has(name)))
      this.#sorted = [...this.objects.keys()].sort();
    return prefix === '' ? this.#sorted : this.#sorted.filter((name) => name.startsWith(prefix));
  }
}

export class Died extends Error {
  override readonly name = 'Died';
}

export interface MemoryClientOptions {
  /** Dies at this operation, counted from 1. */
  readonly dieAt?: number;
  readonly dieAfterEffect?: boolean;
  /** Before each operation takes effect. */
  readonly wait?: (operation: string, name: string) => Promise<void>;
}

export class MemoryClient implements ObjectClient {
  readonly #store: MemoryObjects;
  readonly #options: MemoryClientOptions;
  operations = 0;
  putBytes = 0;
  readonly log: string[] = [];
  #dead = false;
  #dieAt: number | undefined;

  constructor(store: MemoryObjects, options: MemoryClientOptions = {}) {
    this.#store = store;
    this.#options = options;
    this.#dieAt = options.dieAt;
  }

  /** Dies at the n-th operation from now. */
  killIn(operations: number): void {
    this.#dieAt = this.operations + operations;
  }

  put(name: string, body: Uint8Array, condition?: PutCondition): Promise<{ readonly etag: string }> {
    return this.#operation('put', name, () => {
      const { objects } = this.#store;
      const now = objects.get(name);
      const holds =
        condition === 'absent' ? now === undefined : condition === undefined || now?.etag === condition.etag;
      if (!holds) throw new Fault(repositoryFaults.preconditionFailed, { name });
      const copy = Buffer.from(body);
      const etag = createHash('md5').update(copy).digest('hex');
      objects.set(name, { body: copy, etag });
      this.putBytes += copy.length;
      return { etag };
    });
  }

  get(name: string, range?: { readonly offset: number; readonly length: number }) {
    return this.#operation('get', name, () => {
      const found = this.#store.objects.get(name);
      if (found === undefined) throw new Fault(repositoryFaults.noSuchObject, { name });
      const { offset = 0, length = found.body.length } = range ?? {};
      return { body: Buffer.from(found.body.subarray(offset, offset + length)), etag: found.etag };
    });
  }

  head(name: string) {
    return this.#operation('head', name, () => {
      const found = this.#store.objects.get(name);
      return found && { bytes: found.body.length, etag: found.etag };
    });
  }

  delete(name: string, condition?: { readonly etag: string }): Promise<boolean> {
    return this.#operation('delete', name, () => {
      const { objects } = this.#store;
      const now = objects.get(name);
      if (now === undefined && condition === undefined) return false;
      if (condition !== undefined && now?.etag !== condition.etag)
        throw new Fault(repositoryFaults.preconditionFailed, { name });
      return objects.delete(name);
    });
  }

  async *list({ prefix, marker = '', endMarker, pageNames = 1000 }: ListOptions): AsyncGenerator<ListedObject> {
    let after = marker;
    for (;;) {
      const page = await this.#operation('list', prefix, () => this.#page(prefix, after, endMarker, pageNames));
      yield* page;
      if (page.length < pageNames) return;
      after = page.at(-1)?.name ?? after;
    }
  }

  #page(prefix: string, after: string, endMarker: string | undefined, limit: number): ListedObject[] {
    return this.#store
      .names(prefix)
      .filter((name) => name > after && (endMarker === undefined || name < endMarker))
      .slice(0, limit)
      .map((name) => ({ name, bytes: this.#store.objects.get(name)?.body.length ?? 0 }));
  }

  async #operation<T>(operation: string, name: string, act: () => T): Promise<T> {
    if (this.#dead) throw new Died('dead');
    await this.#options.wait?.(operation, name);
    if (this.#dead) throw new Died('dead');
    this.operations++;
    this.log.push(`${operation} ${name}`);
    const dies = this.operations === this.#dieAt;
    if (dies) this.#dead = true;
    if (dies && !this.#options.dieAfterEffect) throw new Died(`before ${operation} ${name}`);
    const result = act();
    if (dies) throw new Died(`after ${operation} ${name}`);
    return result;
  }
}
