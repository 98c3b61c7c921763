/** The emptying of one segment, in steps: log-compaction.ts and bulk-compaction.ts each know how theirs is done. */
import type { Segment } from './segments.ts';

export interface Compaction {
  readonly segment: Segment;
  /** Copies up to `bytesMax`; true when nothing live is left to copy. */
  step(bytesMax: number): Promise<boolean>;
  readonly movedBytes: number;
  /** Something in it could not be read: the file must stay until repair has replaced that. */
  readonly damaged: boolean;
}
