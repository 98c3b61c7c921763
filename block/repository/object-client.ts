/**
 * An object store as the repository needs it: whole objects, conditional writes and listings in order of names. What every
 * implementation owes: a put that resolved is durable and in the next listing; a listing is complete or throws; retries are
 * the implementation's own, and a conditional write whose answer was lost is settled by reading before anything is reported.
 * Conditional bodies are therefore unique (each carries a nonce), and an ETag names content.
 */
export interface ObjectClient {
  /** Fault StoredObjectChanged when the condition does not hold. */
  put(name: string, body: Uint8Array, condition?: PutCondition): Promise<{ readonly etag: string }>;
  /** Fault NoSuchStoredObject. `range` is within the object. */
  get(name: string, range?: { readonly offset: number; readonly length: number }): Promise<StoredObject>;
  head(name: string): Promise<{ readonly bytes: number; readonly etag: string } | undefined>;
  /** False when there was nothing. With a condition: Fault StoredObjectChanged when the object is another one now. */
  delete(name: string, condition?: { readonly etag: string }): Promise<boolean>;
  /** All names that begin with `prefix` and come after `marker`, in order of their bytes, page by page. */
  list(options: ListOptions): AsyncIterable<ListedObject>;
}

/** 'absent': nothing is there yet. An ETag: what is there is still that. */
export type PutCondition = 'absent' | { readonly etag: string };

export interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
}

export interface ListOptions {
  readonly prefix: string;
  readonly marker?: string;
  /** Names from here on are left out. */
  readonly endMarker?: string;
  /** Names a page; the implementation's maximum by default. */
  readonly pageNames?: number;
}

export interface ListedObject {
  readonly name: string;
  readonly bytes: number;
}
