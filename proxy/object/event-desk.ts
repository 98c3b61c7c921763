/** What a change of an object sees of the notifier (notifier.ts). Types alone. */
import type { QueuedEvent, Told } from './event-queue.ts';

export interface EventDesk {
  has(target: string): boolean;
  /** Durable when it resolves; undefined when the target's queue is full: then nobody is told. */
  note(target: string, event: QueuedEvent): Promise<NotedEvent | undefined>;
}

/** One of the three is called, once. */
export interface NotedEvent {
  happened(told: Told): void;
  /** Nothing changed. */
  dropped(): void;
  /** Nobody knows. */
  unknown(): void;
}
