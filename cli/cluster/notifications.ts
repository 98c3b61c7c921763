/** The notifier of this proxy and the webhooks behind its targets; nothing at all where none is configured. */

import type { Logger } from '../../fabric/logger.ts';
import { createWebhook } from '../../fabric/net-webhook.ts';
import { createNotifier, type Notifier } from '../../proxy/object/notifier.ts';
import type { ClusterOptions } from './config.ts';

export function openNotifier(
  { notification: targets, notificationTakeoverS }: Pick<ClusterOptions, 'notification' | 'notificationTakeoverS'>,
  { region, log }: { readonly region: string; readonly log: Logger },
): Notifier | undefined {
  if (targets.length === 0) return undefined;
  const hooks = targets.map((target) => ({ name: target.name, hook: createWebhook(target) }));
  const notifier = createNotifier({
    targets: hooks.map(({ name, hook }) => ({ name, send: (body) => hook.post(body) })),
    region,
    foreignMs: notificationTakeoverS * 1000,
    warn: (fields, message) => log.warn(fields, message),
  });
  return {
    ...notifier,
    stop() {
      notifier.stop();
      for (const { hook } of hooks) hook.close();
    },
  };
}
