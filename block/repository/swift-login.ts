/** Ways to a storage URL and a token of Swift's API: v1 auth, and Keystone v3 by password or application credential. */
import { Fault } from '../../fabric/errors.ts';
import type { HttpAnswer, HttpClient } from '../../fabric/net-http.ts';
import { repositoryFaults } from './faults.ts';

export interface SwiftAccess {
  /** Of the account, without a slash at the end. */
  readonly storageUrl: string;
  readonly token: string;
}

export type SwiftLogin = () => Promise<SwiftAccess>;

export interface V1Credentials {
  readonly authUrl: string;
  readonly user: string;
  readonly key: string;
}

export function swiftV1Login(http: HttpClient, { authUrl, user, key }: V1Credentials): SwiftLogin {
  return async () => {
    const answer = await http.call({
      method: 'GET',
      url: authUrl,
      headers: { 'x-auth-user': user, 'x-auth-key': key },
    });
    const { 'x-storage-url': storageUrl, 'x-auth-token': token } = answer.headers;
    if (answer.status !== 200 || !storageUrl || !token) throw refused(answer);
    return { storageUrl: storageUrl.replace(/\/$/, ''), token };
  };
}

export interface KeystoneCredentials {
  /** With `/v3`. */
  readonly authUrl: string;
  /** As in the body of POST /v3/auth/tokens: identity, and scope unless an application credential brings its own. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly region?: string;
  readonly interface?: 'public' | 'internal' | 'admin';
}

interface Catalog {
  readonly type: string;
  readonly endpoints: readonly { readonly interface: string; readonly region_id?: string; readonly url: string }[];
}

export function keystoneLogin(http: HttpClient, credentials: KeystoneCredentials): SwiftLogin {
  const { authUrl, identity, scope, region, interface: wanted = 'public' } = credentials;
  const body = JSON.stringify({ auth: { identity, ...(scope ? { scope } : {}) } });
  return async () => {
    const url = `${authUrl.replace(/\/$/, '')}/auth/tokens`;
    const answer = await http.call({ method: 'POST', url, headers: { 'content-type': 'application/json' }, body });
    const token = answer.headers['x-subject-token'];
    if (answer.status !== 201 || !token) throw refused(answer);
    const { catalog = [] } = (JSON.parse(answer.body.toString()) as { token: { catalog?: Catalog[] } }).token;
    const endpoints = catalog.filter(({ type }) => type === 'object-store').flatMap(({ endpoints: each }) => each);
    const fits = endpoints.find(
      (each) => each.interface === wanted && (region === undefined || each.region_id === region),
    );
    if (fits === undefined)
      throw new Fault(repositoryFaults.storeRefused, { reason: 'no object store in the catalog' });
    return { storageUrl: fits.url.replace(/\/$/, ''), token };
  };
}

function refused({ status }: HttpAnswer): Fault {
  const code = status >= 500 ? repositoryFaults.storeUnavailable : repositoryFaults.storeRefused;
  return new Fault(code, { reason: 'login', status });
}
