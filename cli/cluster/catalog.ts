/** What clients find in the catalog under the names they look for: the services of this process, in its region. */
import type { CatalogEntry } from '../../compute/identity/bootstrap.ts';
import { IMAGE_PREFIX, VOLUME_PREFIX } from './cloud-places.ts';
import type { Service } from './services.ts';

export interface Places {
  readonly url: string;
  readonly authUrl: string;
  readonly region: string;
}

export function catalogOf(services: readonly Service[], { url, authUrl, region }: Places): CatalogEntry[] {
  // Identity is in every region, wherever it runs: clients ask for the one of theirs.
  const entries: CatalogEntry[] = [{ type: 'identity', name: 'keystone', region, url: authUrl }];
  if (services.includes('store')) {
    const swift = { name: 'swift', region, url: `${url}/v1/AUTH_%(project_id)s`, adminUrl: `${url}/v1` };
    entries.push({ type: 'object-store', ...swift }, { type: 's3', name: 's3', region, url });
  }
  if (services.includes('cinder')) {
    const cinder = { region, url: `${url}${VOLUME_PREFIX}/v3/%(project_id)s` };
    entries.push(
      { type: 'volumev3', name: 'cinderv3', ...cinder },
      { type: 'block-storage', name: 'cinder', ...cinder },
    );
    // Commands of volumes look for it before they know whether they need it.
    entries.push({ type: 'image', name: 'glance', region, url: `${url}${IMAGE_PREFIX}` });
  }
  return entries;
}
