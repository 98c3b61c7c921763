/** Users that an account's owner makes, with keys and policies of their own, as the query API and the composition see them. */

export interface IamUser {
  readonly account: string;
  readonly name: string;
  /** `AIDA…`, never given again. */
  readonly id: string;
  readonly path: string;
  readonly createdMs: number;
  /** Documents by name. */
  readonly policies: Readonly<Record<string, string>>;
}

export interface IamKey {
  readonly accessKeyId: string;
  readonly isActive: boolean;
  readonly createdMs: number;
}

export interface NewIamKey extends IamKey {
  readonly secretAccessKey: string;
}

/** Of an account, by name. `account`: as in User. */
export interface UserName {
  readonly account: string;
  readonly name: string;
}

/**
 * What is changed holds at once on this proxy, and within a second on others. Faults of `iamFaults`, and of the control
 * store.
 */
export interface IamDirectory {
  createUser(user: UserName & { readonly path: string }): Promise<IamUser>;
  getUser(user: UserName): Promise<IamUser>;
  /** In order of names, those after `after`; one more than `limit` when there are more. */
  listUsers(account: string, page: { pathPrefix: string; after: string; limit: number }): Promise<readonly IamUser[]>;
  deleteUser(user: UserName): Promise<void>;
  createKey(user: UserName): Promise<NewIamKey>;
  listKeys(user: UserName): Promise<readonly IamKey[]>;
  setKeyActive(user: UserName, accessKeyId: string, isActive: boolean): Promise<void>;
  deleteKey(user: UserName, accessKeyId: string): Promise<void>;
  /** Fault MalformedPolicy. */
  putPolicy(user: UserName, policy: string, document: string): Promise<void>;
  deletePolicy(user: UserName, policy: string): Promise<void>;
}

export const iamFaults = {
  noSuchEntity: 'NoSuchEntity',
  alreadyExists: 'EntityAlreadyExists',
  limitExceeded: 'LimitExceeded',
  deleteConflict: 'DeleteConflict',
} as const;
