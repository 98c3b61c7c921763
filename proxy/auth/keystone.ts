/**
 * Users of the identity service as the store knows them: what Swift's keystoneauth makes of a token. Owns the mapping of
 * roles to rights and of projects to accounts; whether a token or a key is valid is identity's word alone.
 * https://docs.openstack.org/swift/latest/overview_auth.html#keystone-auth
 */
import { permitsRequest, type TokenContext, type TokenVerifier } from '../../compute/identity/contract.ts';
import { Fault, fabricFaults, isFault } from '../../fabric/errors.ts';
import type { Asking, ForeignCaller, ForeignTokens, ForeignVerdict, User, Users } from '../contract.ts';
import type { Caller } from '../object/contract.ts';

export interface KeystoneOptions {
  readonly verifier: TokenVerifier;
  /** Roles that own their project's account. */
  readonly operatorRoles: readonly string[];
  /** Roles that own every account. */
  readonly resellerRoles: readonly string[];
  /** Roles that may read their project's account. */
  readonly readerRoles: readonly string[];
}

export const KEYSTONE_ROLES = {
  operatorRoles: ['admin', 'member', 'swiftoperator'],
  resellerRoles: ['ResellerAdmin'],
  readerRoles: ['reader'],
} as const;

/** Names count in ACLs only within the domain that Swift once knew alone. */
const DEFAULT_DOMAIN = 'default';
const SERVICE_TYPE = 'object-store';

export class Keystone implements ForeignTokens {
  readonly #options: KeystoneOptions;
  /** What is known of a context is known of all requests with it. */
  readonly #callers = new WeakMap<TokenContext, ForeignCaller>();
  readonly #users = new WeakMap<TokenContext, User>();

  constructor(options: KeystoneOptions) {
    this.#options = options;
  }

  /** Undefined for a token that is not valid, 'forbidden' for one that may not do this. Fault when identity is silent. */
  authenticate(token: string, asking: Asking): Promise<ForeignVerdict> | ForeignVerdict {
    const found = this.#options.verifier.authenticate(token);
    if (found instanceof Promise) return found.catch(silent).then((context) => this.#callerFor(context, asking));
    return this.#callerFor(found, asking);
  }

  /** The users of the file, and beside them whoever has an EC2 credential. */
  users(local: Users): Users {
    const { verifier } = this.#options;
    return {
      byName: (account, name) => local.byName(account, name),
      hasAccount: (account) => local.hasAccount(account) || PROJECT_ID.test(account),
      byAccessKey: (id) => {
        const known = local.byAccessKey(id);
        if (known) return known;
        const key = verifier.accessKey(id);
        if (key === undefined || key instanceof Promise) return undefined;
        return this.#userOf(key);
      },
      learn: async (id) => {
        const key = await Promise.resolve(verifier.accessKey(id)).catch(silent);
        return key !== undefined;
      },
    };
  }

  #callerFor(context: TokenContext | undefined, asking: Asking): ForeignVerdict {
    if (context === undefined) return undefined;
    if (!permitsRequest(context, { service: SERVICE_TYPE, ...asking })) return 'forbidden';
    const known = this.#callers.get(context);
    if (known) return known;
    const found = callerOfContext(context, this.#options);
    this.#callers.set(context, found);
    return found;
  }

  #userOf({ accessKey, secretKey, context }: { accessKey: string; secretKey: string; context: TokenContext }): User {
    let user = this.#users.get(context);
    if (user) return user;
    const { caller } = callerOfContext(context, this.#options);
    user = {
      ...{ account: context.projectId ?? '', name: context.userName, key: '', admin: caller.admin },
      ...{ accessKeyId: accessKey, secretAccessKey: secretKey, caller },
    };
    this.#users.set(context, user);
    return user;
  }
}

const PROJECT_ID = /^[0-9a-f]{32}$/;

/** Rights hang on the project of the scope; a token of another scope is nobody's owner. */
export function callerOfContext(context: TokenContext, options: Omit<KeystoneOptions, 'verifier'>): ForeignCaller {
  const { projectId, userId } = context;
  const has = (roles: readonly string[]): boolean =>
    context.roles.some((role) => roles.some((one) => one.toLowerCase() === role.toLowerCase()));
  const reseller = has(options.resellerRoles);
  const admin = projectId !== undefined && has(options.operatorRoles);
  const caller: Caller = {
    account: projectId === undefined ? undefined : `AUTH_${projectId}`,
    user: `${projectId ?? ''}:${userId}`,
    groups: [...groupsOf(context), ...(reseller ? ['.reseller_admin'] : [])],
    admin,
    ...(reseller && { reseller }),
  };
  return { caller, isReader: projectId !== undefined && !admin && has(options.readerRoles) };
}

/** What an ACL may say to mean this user: `project:user`, `project:*`, `*:user`, `*:*` by ids, by names, and roles. */
function groupsOf(context: TokenContext): string[] {
  const hasNames = context.userDomainId === DEFAULT_DOMAIN && context.projectDomainId === DEFAULT_DOMAIN;
  const projects = ['*', context.projectId, hasNames ? context.projectName : undefined];
  const users = ['*', context.userId, hasNames ? context.userName : undefined];
  const pairs: string[] = [];
  for (const project of projects) {
    for (const user of users) if (project !== undefined && user !== undefined) pairs.push(`${project}:${user}`);
  }
  return [...pairs, ...context.roles];
}

function silent(error: unknown): never {
  if (!isFault(error)) throw error;
  throw new Fault(fabricFaults.unreachable, { service: 'identity' }, `identity cannot be asked: ${error.message}`);
}
