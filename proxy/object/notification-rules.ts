/**
 * Which changes of a bucket's objects somebody wants to be told of: rules in the container's record, `s3.notification`, as
 * proxy/s3/notification.ts writes them. Pure. Of several rules at most one is for an event of a key, which is checked when
 * they are set. A container without rules costs one look-up.
 */
import type { ContainerRecord } from '../../account-container/contract.ts';

/** What can happen, by S3's names without `s3:`. */
export const EVENTS = [
  'ObjectCreated:Put',
  'ObjectCreated:Post',
  'ObjectCreated:Copy',
  'ObjectCreated:CompleteMultipartUpload',
  'ObjectRemoved:Delete',
  'ObjectRemoved:DeleteMarkerCreated',
  'ObjectTagging:Put',
  'ObjectTagging:Delete',
  'ObjectAcl:Put',
  'LifecycleExpiration:Delete',
  'LifecycleExpiration:DeleteMarkerCreated',
] as const;
export type EventName = (typeof EVENTS)[number];

export interface NotificationRule {
  readonly id: string;
  /** As which kind of destination it was given. */
  readonly kind: 'Queue' | 'Topic';
  readonly arn: string;
  /** Name of a target of the configuration. */
  readonly target: string;
  /** As given, without `s3:`: `ObjectCreated:*`, `ObjectRemoved:Delete`. */
  readonly events: readonly string[];
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
}

export function notificationRules({ s3 }: Pick<ContainerRecord, 's3'>): readonly NotificationRule[] | undefined {
  return (s3?.['notification'] as readonly NotificationRule[] | null | undefined) ?? undefined;
}

/** Of events a pattern stands for; empty for one that can never happen here. */
export function eventsLike(pattern: string): readonly EventName[] {
  const family = pattern.endsWith(':*') ? pattern.slice(0, -1) : undefined;
  return EVENTS.filter((event) => (family === undefined ? event === pattern : event.startsWith(family)));
}

export function ruleFor(
  rules: readonly NotificationRule[],
  event: EventName,
  name: string,
): NotificationRule | undefined {
  return rules.find(
    ({ events, prefix = '', suffix = '' }) =>
      name.startsWith(prefix) && name.endsWith(suffix) && events.some((each) => eventsLike(each).includes(event)),
  );
}

/** Whether some event of some key would be for both. */
export function overlap(a: NotificationRule, b: NotificationRule): boolean {
  const eventsOfA = new Set(a.events.flatMap(eventsLike));
  if (!b.events.some((each) => eventsLike(each).some((event) => eventsOfA.has(event)))) return false;
  const [before, after] = [a.prefix ?? '', b.prefix ?? ''];
  const [end, otherEnd] = [a.suffix ?? '', b.suffix ?? ''];
  const samePrefix = before.startsWith(after) || after.startsWith(before);
  return samePrefix && (end.endsWith(otherEnd) || otherEnd.endsWith(end));
}
