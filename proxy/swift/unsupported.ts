/**
 * Headers that ask for something this API does not do yet. They are refused, because a client that believes its versions
 * are kept loses data when they are not. A feature that arrives takes its header out of the call.
 */
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';

export function refuseUnsupported(call: SwiftCall, names: readonly string[]): void {
  for (const name of names) {
    if (call.header(name)) throw refuse(swiftFaults.preconditionFailed, `${name} is not supported`);
  }
}
