/**
 * X-Service-Token: a service speaks for a user. Beside the user's own groups its groups count; and accounts of a service
 * (`SERVICE_name`) open for the owner of `AUTH_name` together with a service, for neither alone (TempAuth's
 * SERVICE_require_group = .service).
 * https://docs.openstack.org/swift/latest/overview_backing_store.html
 */
import type { SwiftCall } from './call.ts';

const SERVICE_PREFIX = 'SERVICE_';
const SERVICE_GROUP = '.service';

/** After the user is known. A token that is none does not count. */
export function joinService(call: SwiftCall, token: string): void {
  const { caller } = call;
  const service = caller.user === undefined ? undefined : call.world.tokens.validate(token);
  if (!service) return;
  const groups = [...new Set([...caller.groups, ...service.groups])];
  const name = caller.account?.replace(/^AUTH_/, '');
  const isOpened =
    name !== undefined &&
    call.account === `${SERVICE_PREFIX}${name}` &&
    caller.admin &&
    service.groups.includes(SERVICE_GROUP);
  call.caller = isOpened ? { ...caller, groups, account: call.account } : { ...caller, groups };
}
