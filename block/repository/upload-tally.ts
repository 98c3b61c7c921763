/** Counts an upload, and tells who wants to know, at most once a chunk. */
import type { UploadCounters, UploadProgress } from './contract.ts';

type Outcome = 'zero' | 'same' | 'found' | 'uploaded';

export const NO_COUNTERS: UploadCounters = {
  readBytes: 0,
  zeroChunks: 0,
  sameChunks: 0,
  foundChunks: 0,
  uploadedChunks: 0,
  uploadedBytes: 0,
  manifestBytes: 0,
};

export class Tally {
  readonly #totalBytes: number;
  readonly #report: ((progress: UploadProgress) => void) | undefined;
  #doneBytes = 0;
  #counters: UploadCounters;

  constructor(totalBytes: number, counters: UploadCounters, report?: (progress: UploadProgress) => void) {
    this.#totalBytes = totalBytes;
    this.#counters = counters;
    this.#report = report;
  }

  get counters(): UploadCounters {
    return this.#counters;
  }

  chunk(outcome: Outcome, rawBytes: number, sentBytes = 0): void {
    const counters = this.#counters;
    const field = `${outcome}Chunks` as const;
    this.#counters = {
      ...counters,
      readBytes: counters.readBytes + rawBytes,
      [field]: counters[field] + 1,
      uploadedBytes: counters.uploadedBytes + sentBytes,
    };
    this.#done(rawBytes);
  }

  /** Not allocated, or done by an earlier uploader. */
  skip(bytes: number): void {
    this.#done(bytes);
  }

  node(bytes: number): void {
    const { uploadedBytes, manifestBytes } = this.#counters;
    this.#counters = {
      ...this.#counters,
      uploadedBytes: uploadedBytes + bytes,
      manifestBytes: manifestBytes + bytes,
    };
  }

  #done(bytes: number): void {
    this.#doneBytes += bytes;
    this.#report?.({ doneBytes: this.#doneBytes, totalBytes: this.#totalBytes, counters: this.#counters });
  }
}
