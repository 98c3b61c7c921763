/**
 * DIR/credentials.json: the users of a new cluster, with random secrets, for people and scripts to read (mode 0600). A
 * public contract: `s3` and `swift` of the owner at the top, the same two under `alt` (owner of a second account) and
 * `member` (a plain user of the first account); `reseller`, an administrator of all accounts, who sets their quotas and
 * is missing from the files of older clusters; `keystone`, the administrator
 * of the identity service, and `volumes`, as whom
 * block storage keeps its snapshots, are added where they are missing. Written on the first start; read on every one, endpoints kept up to date.
 * Identity without a store has `keystone` alone.
 */
import path from 'node:path';
import type { Disk } from '../../fabric/disk.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import type { User, Users } from '../../proxy/contract.ts';
import { readIfThere } from './identity.ts';

const MODE_PRIVATE = 0o600;

export interface Credentials {
  readonly s3: {
    readonly endpoint: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
  /** `user` is `account:name`. */
  readonly swift: { readonly authUrl: string; readonly user: string; readonly key: string };
}

/** The administrator of the identity service. */
export interface KeystoneCredentials {
  readonly authUrl: string;
  readonly username: string;
  readonly password: string;
  readonly projectName: string;
  readonly domainName: string;
}

export interface CredentialsFile extends Credentials {
  /** Absent where identity is another region's. */
  readonly keystone?: KeystoneCredentials;
  readonly alt: Credentials;
  readonly member: Credentials;
  readonly reseller?: Credentials;
  /** Of a service (X-Service-Token), where the operator has put it into the file. */
  readonly service?: Credentials;
  readonly volumes: Credentials;
}

export interface Endpoints {
  readonly s3: string;
  readonly swiftAuth: string;
  /** Of our own identity. */
  readonly keystone?: string | undefined;
  readonly region: string;
}

const PEOPLE = {
  main: 'test:tester',
  alt: 'test2:tester2',
  member: 'test:member',
  reseller: 'admin:admin',
  volumes: 'volumes:agent',
} as const;

export interface OpenedCredentials {
  readonly users: Users;
  /** Storage accounts of the users. */
  readonly accounts: readonly string[];
  readonly keystonePassword: string;
  /** Writes the file with the endpoints that clients can use now. */
  publish(endpoints: Endpoints): Promise<CredentialsFile>;
}

export function openCredentials(directory: string, disk: Disk, random: Random): OpenedCredentials {
  const file = path.join(directory, 'credentials.json');
  const text = readIfThere(file);
  const people = text ? parsePeople(text, file, random) : makePeople(random);
  return {
    users: indexUsers(people),
    keystonePassword: people.keystonePassword,
    accounts: [people.main, people.alt, people.volumes].map(({ account }) => `AUTH_${account}`),
    async publish(endpoints) {
      const contents = render(people, endpoints);
      const next = `${JSON.stringify(contents, null, 2)}\n`;
      if (next !== text) await disk.replaceFile(file, Buffer.from(next), MODE_PRIVATE);
      return contents;
    },
  };
}

/** The administrator of an identity without a store; what else the file of a former store holds stays in it. */
export function openAdministrator(directory: string, disk: Disk, random: Random) {
  const file = path.join(directory, 'credentials.json');
  const text = readIfThere(file);
  const known = text ? parseFile(text, file) : {};
  const password = known.keystone?.password ?? makePassword(random);
  return {
    password,
    /** `authUrl` is where clients log in now. */
    async publish(authUrl: string): Promise<KeystoneCredentials> {
      const keystone = administrator(authUrl, password);
      const next = `${JSON.stringify({ ...known, keystone }, null, 2)}\n`;
      if (next !== text) await disk.replaceFile(file, Buffer.from(next), MODE_PRIVATE);
      return keystone;
    },
  };
}

const administrator = (authUrl: string, password: string): KeystoneCredentials => ({
  ...{ authUrl, username: 'admin', password, projectName: 'admin', domainName: 'Default' },
});

interface People {
  readonly main: User;
  readonly alt: User;
  readonly member: User;
  readonly reseller?: User | undefined;
  readonly service?: User | undefined;
  readonly volumes: User;
  readonly keystonePassword: string;
}

const KEY_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function makeUser(random: Random, who: string, admin: boolean): User {
  const [account = '', name = ''] = who.split(':');
  const letters = Array.from({ length: 16 }, () => KEY_ALPHABET[random.below(32)]).join('');
  return {
    account,
    name,
    admin,
    key: makePassword(random),
    accessKeyId: `NTAK${letters}`,
    secretAccessKey: random.bytes(30).toString('base64url'),
  };
}

const makePassword = (random: Random): string => random.bytes(18).toString('base64url');

function makePeople(random: Random): People {
  const make = (who: string, admin: boolean): User => makeUser(random, who, admin);
  return {
    main: make(PEOPLE.main, true),
    alt: make(PEOPLE.alt, true),
    member: make(PEOPLE.member, false),
    reseller: { ...make(PEOPLE.reseller, true), reseller: true },
    volumes: make(PEOPLE.volumes, true),
    keystonePassword: makePassword(random),
  };
}

const bad = (file: string, why: string): Fault => new Fault('BadCredentialsFile', { file }, `${file}: ${why}`);

function parseFile(text: string, file: string): Partial<CredentialsFile> {
  try {
    return JSON.parse(text) as Partial<CredentialsFile>;
  } catch {
    throw bad(file, 'not JSON');
  }
}

function parsePeople(text: string, file: string, random: Random): People {
  const parsed = parseFile(text, file);
  const keystonePassword = parsed.keystone?.password ?? makePassword(random);
  // Of an identity that has a store from now on.
  if (Object.keys(parsed).join() === 'keystone') return { ...makePeople(random), keystonePassword };
  const read = (block: Partial<Credentials> | undefined, what: string, admin: boolean): User => {
    const { user, key } = block?.swift ?? {};
    const { accessKeyId, secretAccessKey } = block?.s3 ?? {};
    const [account, name] = user?.split(':') ?? [];
    if (!account || !name || !key || !accessKeyId || !secretAccessKey) throw bad(file, `${what} is incomplete`);
    return { account, name, admin, key, accessKeyId, secretAccessKey };
  };
  return {
    main: read(parsed, 's3 or swift', true),
    alt: read(parsed.alt, 'alt', true),
    member: read(parsed.member, 'member', false),
    service: parsed.service && { ...read(parsed.service, 'service', false), service: true },
    reseller: parsed.reseller && { ...read(parsed.reseller, 'reseller', true), reseller: true },
    volumes: parsed.volumes ? read(parsed.volumes, 'volumes', true) : makeUser(random, PEOPLE.volumes, true),
    keystonePassword,
  };
}

function indexUsers(people: People): Users {
  const { main, alt, member, reseller, service, volumes } = people;
  const all = [main, alt, member, volumes, ...(reseller ? [reseller] : []), ...(service ? [service] : [])];
  const byName = new Map(all.map((user) => [`${user.account}:${user.name}`, user]));
  const byAccessKey = new Map(all.map((user) => [user.accessKeyId, user]));
  return {
    byName: (account, name) => byName.get(`${account}:${name}`),
    byAccessKey: (accessKeyId) => byAccessKey.get(accessKeyId),
    hasAccount: (account) => all.some((user) => user.account === account),
  };
}

function render(people: People, { s3, swiftAuth, keystone, region }: Endpoints): CredentialsFile {
  const block = ({ account, name, key, accessKeyId, secretAccessKey }: User): Credentials => ({
    s3: { endpoint: s3, region, accessKeyId, secretAccessKey },
    swift: { authUrl: swiftAuth, user: `${account}:${name}`, key },
  });
  const { main, alt, member, reseller, service, volumes } = people;
  const others = {
    ...(keystone !== undefined && { keystone: administrator(keystone, people.keystonePassword) }),
    volumes: block(volumes),
    alt: block(alt),
    member: block(member),
    ...(reseller && { reseller: block(reseller) }),
    ...(service && { service: block(service) }),
  };
  return { ...block(main), ...others };
}
