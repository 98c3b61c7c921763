/** The catalog as a token shows it: enabled services with their enabled endpoints, URLs filled in for the project. */
import type { ReadTx } from '../../../control/contract.ts';
import { type PlainRow, tables } from '../tables.ts';

export interface CatalogFor {
  readonly userId: string;
  readonly projectId: string | undefined;
}

export async function catalog(tx: ReadTx, who: CatalogFor): Promise<unknown[]> {
  const services = await tx.scan(tables.services);
  const endpoints = (await tx.scan(tables.endpoints)).map(({ value }) => value);
  return services
    .map(({ value }) => value)
    .filter(({ enabled }) => enabled !== false)
    .map((service) => ({
      id: service.id,
      type: service['type'],
      name: service['name'] ?? '',
      endpoints: endpoints
        .filter((endpoint) => endpoint['service_id'] === service.id && endpoint['enabled'] !== false)
        .flatMap((endpoint) => shown(endpoint, who)),
    }));
}

function shown(endpoint: PlainRow, who: CatalogFor): unknown[] {
  const url = fillUrl(String(endpoint['url']), who);
  if (url === undefined) return [];
  const region = endpoint['region_id'] ?? null;
  return [{ id: endpoint.id, interface: endpoint['interface'], region, region_id: region, url }];
}

const PLACE = /[%$]\((\w+)\)s/g;

/** Undefined when it needs a project and there is none: Keystone leaves such endpoints out too. */
export function fillUrl(url: string, { userId, projectId }: CatalogFor): string | undefined {
  const values: Readonly<Record<string, string | undefined>> = {
    project_id: projectId,
    tenant_id: projectId,
    user_id: userId,
  };
  let complete = true;
  const filled = url.replace(PLACE, (_, name: string) => {
    const value = values[name];
    if (value === undefined) complete = false;
    return value ?? '';
  });
  return complete ? filled : undefined;
}

/** Whether a URL can be filled in: its places have names that are known, and what begins like a place is one. */
export function isTemplate(url: string): boolean {
  const known = ['project_id', 'tenant_id', 'user_id'];
  const places = [...url.matchAll(PLACE)].map(([, name = '']) => name);
  return places.every((name) => known.includes(name)) && !/%|\$\(/.test(url.replace(PLACE, ''));
}
