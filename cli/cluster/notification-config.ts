/** Sections [notification.NAME] of the configuration file: whom buckets may have told of their events. */
import type { WebhookOptions } from '../../fabric/net-webhook.ts';

export interface NotificationTarget extends WebhookOptions {
  /** As ARNs name it. */
  readonly name: string;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** What a header may hold. */
const VISIBLE = /^[\x20-\x7e]*$/;

const KEYS: Readonly<Record<keyof WebhookOptions, (value: unknown) => boolean>> = {
  url: isUrl,
  authorization: (value) => typeof value === 'string' && VISIBLE.test(value),
  secret: (value) => typeof value === 'string' && value !== '',
};

function isUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The key that is wrong; undefined when all are right. */
export function wrongNotificationKey(section: unknown): string | undefined {
  if (!isTable(section)) return 'notification';
  for (const [name, target] of Object.entries(section)) {
    if (!NAME.test(name) || !isTable(target) || target['url'] === undefined) return `notification.${name}`;
    for (const [key, value] of Object.entries(target)) {
      if (!Object.hasOwn(KEYS, key) || !KEYS[key as keyof WebhookOptions](value)) return `notification.${name}.${key}`;
    }
  }
  return undefined;
}

/** Of a section that was checked. */
export function readNotificationTargets(section: Readonly<Record<string, unknown>>): readonly NotificationTarget[] {
  return Object.entries(section).map(([name, target]) => ({ name, ...(target as WebhookOptions) }));
}
