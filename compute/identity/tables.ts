/**
 * The tables of identity in the control store: what a row holds and how its key is put together. Index tables hold `true`
 * or an id; whoever writes a row writes its indexes in the same transaction. What a token's validity hangs on must be read
 * from here and nowhere else: the feed (feed.ts) tells verifiers of changed keys.
 *
 *   key parts are joined by \0 (joinKey); `a b` below means joinKey(a, b)
 */
import { defineTable } from '../../control/contract.ts';

/** Attributes that a client added and we only keep. */
export type Extra = Readonly<Record<string, unknown>>;

/** A domain is a project that acts as one (`isDomain`), as in Keystone: ids are of one space. */
export interface ProjectRow {
  readonly id: string;
  readonly name: string;
  readonly isDomain: boolean;
  /** '' for a domain. */
  readonly domainId: string;
  /** The domain's id for a project at the top; '' for a domain. */
  readonly parentId: string;
  readonly enabled: boolean;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly options: Extra;
  readonly extra: Extra;
  /** Tokens issued at this Unix second or before are void. */
  readonly revokedAtS?: number;
}

export interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly domainId: string;
  readonly enabled: boolean;
  readonly defaultProjectId?: string;
  readonly description?: string | null;
  readonly options: Extra;
  readonly extra: Extra;
  readonly createdAtMs: number;
  readonly revokedAtS?: number;
}

export interface PasswordEntry {
  /** As password-format.ts has it. */
  readonly hash: string;
  readonly createdAtMs: number;
  /** Absent: never. */
  readonly expiresAtMs?: number;
  /** Set by the user, not by an administrator. */
  readonly selfService: boolean;
}

/** Newest first; as many as password history asks for, at least one. */
export interface PasswordsRow {
  readonly entries: readonly PasswordEntry[];
}

/** Of no interest to tokens, hence apart from the user: a failed login must not reach verifiers. */
export interface LoginsRow {
  readonly failed: number;
  readonly failedAtMs: number;
  readonly lastActiveDay?: string;
}

export interface GroupRow {
  readonly id: string;
  readonly name: string;
  readonly domainId: string;
  readonly description: string | null;
  readonly extra: Extra;
}

export interface RoleRow {
  readonly id: string;
  readonly name: string;
  /** '' for a global role. */
  readonly domainId: string;
  readonly description: string | null;
  readonly options: Extra;
  readonly extra: Extra;
}

export type ActorKind = 'user' | 'group';
export type TargetKind = 'project' | 'domain' | 'system';

/** Key: actor kind, actor, target kind, target, 'inherited' or 'direct', role. */
export interface AssignmentRow {
  readonly actor: ActorKind;
  readonly actorId: string;
  readonly target: TargetKind;
  /** 'all' for the system. */
  readonly targetId: string;
  readonly roleId: string;
  readonly inherited: boolean;
}

/** Regions, services, endpoints, policies, limits: as the API shows them, without links. */
export interface PlainRow {
  readonly id: string;
  readonly [name: string]: unknown;
}

export interface CredentialRow {
  readonly id: string;
  readonly type: string;
  readonly userId: string;
  readonly projectId: string | null;
  /** Sealed (secrets.ts), because an EC2 secret must be read again to check a signature. */
  readonly sealedBlob: string;
  readonly extra: Extra;
}

export interface AccessRuleRow {
  readonly id: string;
  readonly userId: string;
  readonly path: string;
  readonly method: string;
  readonly service: string;
}

export interface AppCredRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly userId: string;
  readonly projectId: string;
  readonly secretHash: string;
  readonly roleIds: readonly string[];
  readonly unrestricted: boolean;
  readonly expiresAtMs?: number;
  /** Absent: no rules, everything is allowed. Empty: nothing is. */
  readonly accessRuleIds?: readonly string[];
  readonly createdAtMs: number;
}

export interface RevocationRow {
  /** When all tokens it could concern have expired anyway, the way back included. */
  readonly forgetAtMs: number;
}

export const tables = {
  projects: defineTable<ProjectRow>('identity.projects'),
  /** domain name -> id; domains have the domain ''. */
  projectNames: defineTable<string>('identity.project-names'),
  /** parent id */
  projectChildren: defineTable<true>('identity.project-children'),
  users: defineTable<UserRow>('identity.users'),
  /** domain name -> id */
  userNames: defineTable<string>('identity.user-names'),
  passwords: defineTable<PasswordsRow>('identity.passwords'),
  logins: defineTable<LoginsRow>('identity.logins'),
  groups: defineTable<GroupRow>('identity.groups'),
  /** domain name -> id */
  groupNames: defineTable<string>('identity.group-names'),
  /** user group */
  userGroups: defineTable<true>('identity.user-groups'),
  /** group user */
  groupUsers: defineTable<true>('identity.group-users'),
  roles: defineTable<RoleRow>('identity.roles'),
  /** domain name -> id */
  roleNames: defineTable<string>('identity.role-names'),
  /** prior implied */
  impliedRoles: defineTable<true>('identity.implied-roles'),
  assignments: defineTable<AssignmentRow>('identity.assignments'),
  /** target kind, target, then the assignment's key */
  assignmentTargets: defineTable<string>('identity.assignment-targets'),
  regions: defineTable<PlainRow>('identity.regions'),
  services: defineTable<PlainRow>('identity.services'),
  endpoints: defineTable<PlainRow>('identity.endpoints'),
  policies: defineTable<PlainRow>('identity.policies'),
  registeredLimits: defineTable<PlainRow>('identity.registered-limits'),
  limits: defineTable<PlainRow>('identity.limits'),
  credentials: defineTable<CredentialRow>('identity.credentials'),
  /** user credential */
  userCredentials: defineTable<true>('identity.user-credentials'),
  appCreds: defineTable<AppCredRow>('identity.app-creds'),
  /** user name -> id */
  appCredNames: defineTable<string>('identity.app-cred-names'),
  accessRules: defineTable<AccessRuleRow>('identity.access-rules'),
  /** user rule */
  userAccessRules: defineTable<true>('identity.user-access-rules'),
  /** 'audit' or 'chain', audit id */
  revocations: defineTable<RevocationRow>('identity.revocations'),
  /** 'tokens' -> fingerprints of the keys in use: every answer about a token reads it, so new keys end all of them */
  keySets: defineTable<readonly string[]>('identity.key-sets'),
} as const;

/** What the validity of a token or of a key can hang on: the tables of the feed. */
export const VALIDITY_TABLES = [
  tables.projects,
  tables.users,
  tables.passwords,
  tables.userGroups,
  tables.roles,
  tables.impliedRoles,
  tables.assignments,
  tables.credentials,
  tables.appCreds,
  tables.accessRules,
  tables.revocations,
  tables.keySets,
] as const;
