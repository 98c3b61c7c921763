/**
 * X-Versions-Location and X-History-Location: the older ways of keeping what is overwritten, in a container of the
 * client's own. Reads and checks the headers; what they make the store do is in object/archive.ts.
 * https://docs.openstack.org/swift/latest/middleware.html#versioned-writes
 */
import { HISTORY_LOCATION, VERSIONS_LOCATION } from '../object/archive.ts';
import type { MetadataChange } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { refuse, refuseAsPage, swiftFaults } from './faults.ts';
import { decodeName } from './names.ts';

const BOTH = [VERSIONS_LOCATION, HISTORY_LOCATION] as const;

/** Adds to `change` what the headers ask for; either one takes the place of the other. */
export function readLocations(call: SwiftCall, change: Record<string, string | null>): void {
  const values = BOTH.map((name) => call.header(name));
  if (values.every((value) => value)) {
    throw refuse(swiftFaults.badRequest, `Only one of ${VERSIONS_LOCATION} or ${HISTORY_LOCATION} may be specified`);
  }
  const at = values.findIndex((value) => value);
  const removes =
    values.some((value) => value === '') || BOTH.some((name) => call.header(name.replace('x-', 'x-remove-')));
  if (at < 0 && !removes) return;
  for (const name of BOTH) change[name] = null;
  if (at < 0) return;
  const value = values[at] as string;
  if (decodeName(value).includes('/')) {
    throw refuseAsPage(swiftFaults.preconditionFailed, 'Container name cannot contain slashes');
  }
  change[BOTH[at] as string] = value;
}

/** A container keeps versions in one way. */
export async function refuseMixedVersions(
  call: SwiftCall,
  change: MetadataChange,
  versioning: 'Enabled' | 'Suspended' | undefined,
): Promise<void> {
  const wantsLocation = BOTH.some((name) => typeof change[name] === 'string');
  if (versioning === undefined && !wantsLocation) return;
  const known = await call.world.store.peek(call.containerRef);
  const hasLocation = wantsLocation || BOTH.some((name) => change[name] !== null && known.container?.[name]);
  if (hasLocation && (versioning !== undefined || known.versioning !== undefined)) {
    const text =
      'Cannot enable object versioning on a container that is already using the legacy versioned writes feature.';
    throw refuse(swiftFaults.badRequest, text);
  }
}
