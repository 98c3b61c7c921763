/**
 * Version documents: the shapes that each service's clients read at `/` and `/v3`. Taken from what the services answer
 * (Keystone's discovery.py, Cinder's and Nova's views/versions.py).
 */

export interface VersionSpec {
  /** e.g. `v3.0`, `v2.1`, `v3.14`. */
  readonly id: string;
  /** Under which it is served, e.g. `/v3`: where its own document is, with and without a slash at the end. */
  readonly path: string;
  readonly status: 'CURRENT' | 'SUPPORTED' | 'DEPRECATED' | 'stable';
  /** Range of microversions, when it has them. */
  readonly minVersion?: string;
  readonly maxVersion?: string;
  /** ISO, e.g. `2023-08-31T00:00:00Z`. */
  readonly updated: string;
  readonly mediaType?: string;
}

export type VersionsShape = 'keystone' | 'cinder' | 'nova' | 'neutron';

export interface VersionsSpec {
  readonly shape: VersionsShape;
  readonly list: readonly VersionSpec[];
  /** An older header that carries the bare version, e.g. `x-openstack-nova-api-version`; sent back too. */
  readonly legacyHeader?: string;
}

interface Document {
  readonly status: number;
  readonly body: object;
  readonly headers: readonly string[];
}

type Url = (path: string) => string;

/** What `GET /` answers. */
export function rootDocument({ shape, list }: VersionsSpec, url: Url): Document {
  const entries = list.map((one) => entry(shape, one, url));
  const first = list[0];
  if (shape === 'keystone') {
    const headers = first ? ['Location', url(withSlash(first.path))] : [];
    return { status: 300, body: { versions: { values: entries } }, headers };
  }
  return { status: shape === 'cinder' ? 300 : 200, body: { versions: entries }, headers: [] };
}

/** What `GET /v3` answers. */
export function versionDocument(shape: VersionsShape, version: VersionSpec, url: Url): Document {
  const one = entry(shape, version, url);
  const body = shape === 'cinder' ? { versions: [one] } : shape === 'neutron' ? { resources: [] } : { version: one };
  return { status: 200, body, headers: [] };
}

function entry(shape: VersionsShape, version: VersionSpec, url: Url): object {
  const { id, status, minVersion = '', maxVersion = '', updated, mediaType } = version;
  const self = { rel: 'self', href: url(withSlash(version.path)) };
  const media = mediaType === undefined ? {} : { 'media-types': [{ base: 'application/json', type: mediaType }] };
  if (shape === 'neutron') return { id, status, links: [self] };
  if (shape === 'keystone') return { id, status, updated, links: [self], ...media };
  const describedBy = { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' };
  const links = shape === 'cinder' ? [describedBy, self] : [self];
  return { id, status, version: maxVersion, min_version: minVersion, updated, links, ...media };
}

const withSlash = (path: string): string => (path.endsWith('/') ? path : `${path}/`);
