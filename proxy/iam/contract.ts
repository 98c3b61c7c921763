/**
 * Users, groups, roles and managed policies that an account's owner makes, as the query API and the composition see them.
 * They lie in the control store as they stand here; `format` is absent in what version 1 of a row can say.
 */

export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** Of an account, by name. `account`: as in User. */
export interface Named {
  readonly account: string;
  readonly name: string;
}

/** What all four kinds have. */
export interface IamEntity extends Named {
  /** Rows of a format above FORMAT are of a later version: they are shown, and give no rights. Absent: 1. */
  readonly format?: number;
  /** `AIDA…`, `AGPA…`, `AROA…`, `ANPA…`, never given again. */
  readonly id: string;
  /** `/` or `/a/b/`. */
  readonly path: string;
  readonly createdMs: number;
  readonly tags?: readonly Tag[];
}

export const FORMAT = 1;

/** What policies can be put on. */
export interface IamHolder extends IamEntity {
  /** Documents by name. */
  readonly policies: Readonly<Record<string, string>>;
  /** ARNs of managed policies, in the order they came. */
  readonly attached?: readonly string[];
}

export interface IamUser extends IamHolder {
  /** Names, in the order they came. */
  readonly groups?: readonly string[];
}

export type IamGroup = IamHolder;

export interface IamRole extends IamHolder {
  /** Document that says who may assume it. */
  readonly trust: string;
  readonly description: string;
  readonly maxSessionS: number;
}

export interface IamPolicyVersion {
  /** `v1`, … */
  readonly id: string;
  readonly document: string;
  readonly createdMs: number;
}

export interface IamPolicy extends IamEntity {
  readonly description: string;
  readonly updatedMs: number;
  /** Id of the version that counts. */
  readonly inForce: string;
  /** How many versions there ever were. */
  readonly made: number;
  readonly versions: readonly IamPolicyVersion[];
}

export interface IamRows {
  readonly user: IamUser;
  readonly group: IamGroup;
  readonly role: IamRole;
  readonly policy: IamPolicy;
}

export type Kind = keyof IamRows;
export type HolderKind = Exclude<Kind, 'policy'>;
export const HOLDERS: readonly HolderKind[] = ['user', 'group', 'role'];

/** Whatever the directory itself adds. */
export type NewRow<K extends Kind> = Omit<IamRows[K], 'id' | 'createdMs'>;

export interface IamKey {
  readonly accessKeyId: string;
  readonly isActive: boolean;
  readonly createdMs: number;
}

export interface NewIamKey extends IamKey {
  readonly secretAccessKey: string;
}

export interface KeyUse extends Named {
  /** To within an hour; undefined for never. `service`: `s3`, `iam`. */
  readonly last: { readonly usedMs: number; readonly service: string } | undefined;
}

/**
 * What is changed holds at once on this proxy, and within a second on others. Faults of `iamFaults`, and of the control
 * store.
 */
export interface IamDirectory {
  find<K extends Kind>(kind: K, of: Named): Promise<IamRows[K] | undefined>;
  /** Fault NoSuchEntity, as with all below. */
  get<K extends Kind>(kind: K, of: Named): Promise<IamRows[K]>;
  /** All of an account, in order of names. */
  list<K extends Kind>(kind: K, account: string): Promise<readonly IamRows[K][]>;
  /** Faults EntityAlreadyExists (in any case of letters) and LimitExceeded. */
  create<K extends Kind>(kind: K, row: NewRow<K>): Promise<IamRows[K]>;
  /** `body` may be run again, and may throw; it leaves account, name and id alone. */
  change<K extends Kind>(kind: K, of: Named, body: (row: IamRows[K]) => IamRows[K]): Promise<IamRows[K]>;
  rename(kind: 'user' | 'group', of: Named, to: { readonly name: string; readonly path?: string }): Promise<void>;
  /** Fault DeleteConflict while it has, or is in, anything. */
  delete(kind: Kind, of: Named): Promise<void>;

  /** No error when the user is, or is not, in the group already. */
  setMember(group: Named, user: string, isIn: boolean): Promise<void>;
  members(group: Named): Promise<readonly IamUser[]>;

  /** Fault NoSuchEntity for a policy that is not there, and for one to detach that is not attached. */
  attach(kind: HolderKind, of: Named, arn: string): Promise<void>;
  detach(kind: HolderKind, of: Named, arn: string): Promise<void>;

  createKey(user: Named): Promise<NewIamKey>;
  listKeys(user: Named): Promise<readonly IamKey[]>;
  setKeyActive(user: Named, accessKeyId: string, isActive: boolean): Promise<void>;
  deleteKey(user: Named, accessKeyId: string): Promise<void>;
  useOfKey(account: string, accessKeyId: string): Promise<KeyUse>;
}

/** After the four that say of what kind it is. */
export const ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export const iamFaults = {
  noSuchEntity: 'NoSuchEntity',
  alreadyExists: 'EntityAlreadyExists',
  limitExceeded: 'LimitExceeded',
  deleteConflict: 'DeleteConflict',
} as const;

/** `user`: the path is left out where it is not known. */
export const arnOf = (kind: Kind, { account, name }: Named, path = '/'): string =>
  `arn:aws:iam::${account}:${kind}${path}${name}`;
