/** What the load generator is told and what it answers: the messages between the bench and its child process. */
import { createCipheriv } from 'node:crypto';
import type { Target } from '../target.ts';

export type LoadKind =
  | 'put'
  | 'get'
  | 'head'
  | 'delete'
  | 'list'
  | 'mixed'
  /** Writes names 0…n-1 for the kinds that read. */
  | 'fill'
  /** The same with no bytes and in directories, for the kinds below. */
  | 'fill-large'
  | 'page'
  | 'prefixes'
  /** Remove what a put and a fill-large wrote. */
  | 'clear'
  | 'clear-large';

export interface LoadPlan {
  readonly target: Target;
  readonly kind: LoadKind;
  readonly container: string;
  /** First part of the names that this run writes. */
  readonly tag: string;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly warmupSeconds: number;
  /** Bounded kinds end at this time or when every name was used. */
  readonly seconds: number;
  /** How many names were filled, or are to be. */
  readonly names: number;
}

export interface LoadResult {
  /** Answered well inside the window. */
  readonly ops: number;
  readonly windowSeconds: number;
  /** Bodies of those, either way. */
  readonly bodyBytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Of the whole run, warm-up and checks included. */
  readonly errors: number;
  readonly errorSamples: readonly string[];
  /** Names written under the tag, good or not. */
  readonly written: number;
  /** Of the load generator in the window. */
  readonly clientCpuUs: number;
}

export type LoadMessage =
  | { readonly at: 'begin' }
  | { readonly at: 'end' }
  | { readonly at: 'done'; readonly result: LoadResult };

export const LIST_LIMIT = 1000;

/** The body of every object of a size: the same in every process, and nothing that compresses. */
export function bodyOf(sizeBytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 'needletail'), Buffer.alloc(16)).update(
    Buffer.alloc(sizeBytes),
  );
}

/** Half of the names at the top, half in 1,000 directories: `object-00000042`, `dir-0042/object-00000042`. */
export function largeName(i: number): string {
  const number = String(i >> 1).padStart(8, '0');
  return i % 2 === 0 ? `object-${number}` : `dir-${String((i >> 1) % LIST_LIMIT).padStart(4, '0')}/object-${number}`;
}
