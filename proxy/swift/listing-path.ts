/**
 * `path=`: what lies directly under a pseudo-directory, without the directories below it, but with the marker objects
 * (`dir/sub/`) that some clients make for those. A listing with the delimiter `/` rolls such an object up, so each common
 * prefix is asked for the object of that very name.
 */
import type { ContainerInfo, ListQuery, ObjectEntry, Page } from '../object/contract.ts';
import type { SwiftCall } from './call.ts';
import { withoutEndSlashes } from './names.ts';

/** Pages of the underlying listing per request: the rest is for the client's next one. */
const PAGES_MAX = 20;

export async function listPath(
  call: SwiftCall,
  path: string,
  query: ListQuery,
): Promise<Page<ObjectEntry> & { info: ContainerInfo }> {
  const prefix = path === '' ? '' : `${withoutEndSlashes(path)}/`;
  const found: ObjectEntry[] = [];
  let { marker } = query;
  for (let pages = 0; ; pages++) {
    const limit = query.limit - found.length;
    const asked = { ...query, prefix, delimiter: '/', marker, limit };
    const page = await call.world.store.listObjects(call, call.containerRef, asked);
    for (const entry of page.entries) {
      const object = 'prefix' in entry ? await markerObject(call, entry.prefix) : entry;
      if (object && 'name' in object && object.name !== prefix) found.push(object);
    }
    const last = page.entries.at(-1);
    const isDone = !page.truncated || last === undefined || found.length >= query.limit || pages >= PAGES_MAX;
    if (isDone) return { entries: found, truncated: page.truncated, info: page.info };
    marker = 'prefix' in last ? last.prefix : last.name;
  }
}

async function markerObject(call: SwiftCall, name: string): Promise<ObjectEntry | undefined> {
  const page = await call.world.store.listObjects(call, call.containerRef, { prefix: name, limit: 1 });
  const [first] = page.entries;
  return first && 'name' in first && first.name === name ? first : undefined;
}
