/** What the rest of the program may know of the proxy: users and what an API handler is made of. */
import type { Clock } from '../fabric/clock.ts';
import type { HttpHandler } from '../fabric/http/contract.ts';
import type { Random } from '../fabric/random.ts';
import type { Trace } from '../fabric/trace.ts';
import type { IamDirectory } from './iam/contract.ts';
import type { Ownership } from './object/acl-types.ts';
import type { Caller, CallerPolicies, Store } from './object/contract.ts';
import type { SwiftOptions } from './swift-options.ts';

/** One user of the store, from DIR/credentials.json (cli/cluster/credentials.ts reads and writes it). */
export interface User {
  /** Account part of `account:user`; the storage account is `AUTH_` + this. */
  readonly account: string;
  readonly name: string;
  /** Swift key (password) of this user. */
  readonly key: string;
  /** Owns the account; others see only what ACLs or policies grant. */
  readonly admin: boolean;
  /** Administers every account. */
  readonly reseller?: boolean;
  /** A service, which opens accounts of services together with their users. */
  readonly service?: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Who this is to the store, when it is not what the fields above say. */
  readonly caller?: Caller;
  /** These are temporary keys: whose, and how they go by. */
  readonly session?:
    | {
        readonly name: string;
        readonly role: string;
        /** Of the role that was assumed, when there is such a role. */
        readonly roleId?: string | undefined;
        /** Whose keys asked for them in the first place. */
        readonly parent: User;
      }
    | undefined;
}

/** A role that an account's owner made (proxy/iam/). */
export interface AssumableRole {
  readonly account: string;
  readonly name: string;
  readonly path: string;
  /** `AROA…`, never given again. */
  readonly id: string;
  /** Document that says who may assume it. */
  readonly trust: string;
  readonly maxSessionS: number;
  /** What its policies say now. */
  readonly rights: CallerPolicies;
}

/** `account`: as in User. */
export interface Roles {
  byId(id: string): AssumableRole | undefined;
  byName(account: string, name: string): AssumableRole | undefined;
  /** Whether the account has any. */
  has(account: string): boolean;
  /** What a managed policy says now, of an account or of AWS. */
  policy(arn: string): CallerPolicies | undefined;
}

export interface Users {
  byName(account: string, name: string): User | undefined;
  byAccessKey(accessKeyId: string): User | undefined;
  /** `account`: as in User. */
  hasAccount(account: string): boolean;
  /** Who temporary keys stand for. Faults InvalidToken, ExpiredToken, InvalidAccessKeyId for keys that are gone. */
  bySession?(accessKeyId: string, token: string): User;
  /** Absent: there are none. */
  readonly roles?: Roles | undefined;
  /** Asks elsewhere for an access key that `byAccessKey` does not know; true when it does now. */
  learn?(accessKeyId: string): Promise<boolean>;
}

/** What the request wants to do, for credentials that may do only some things. */
export interface Asking {
  readonly method: string;
  readonly path: string;
}

export interface ForeignCaller {
  readonly caller: Caller;
  /** Of its own account: everything may be read, nothing changed. */
  readonly isReader: boolean;
}

export type ForeignVerdict = ForeignCaller | 'forbidden' | undefined;

/** Tokens that another service gives out. Undefined for one that is not valid; a Fault when nobody can tell. */
export interface ForeignTokens {
  authenticate(token: string, asking: Asking): Promise<ForeignVerdict> | ForeignVerdict;
}

/** Given to both API handlers. */
export interface ProxyWorld {
  readonly store: Store;
  readonly users: Users;
  /** Tokens of the identity service, beside the store's own; absent: there is none. */
  readonly keystone?: ForeignTokens | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Structured log, pino-like: (fields, message). `debug` is there only when somebody wants it. */
  readonly log: {
    debug?(fields: object, message: string): void;
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  /** Told of each request's id as soon as it has one; there only when somebody follows requests through the logs. */
  readonly trace?: Pick<Trace, 'run' | 'name' | 'follow'> | undefined;
  readonly region: string;
  /** Host suffixes under which `bucket.suffix` addresses a bucket (virtual-host style), e.g. ['s3.localhost', 'localhost']. */
  readonly s3Domains: readonly string[];
  /** Of new buckets that name none; absent: BucketOwnerEnforced. */
  readonly objectOwnership?: Ownership | undefined;
  /** Opens the directory of users that owners make, or hands over the open one; absent: nowhere to keep them. */
  readonly iam?: (() => Promise<IamDirectory>) | undefined;
  /** Names that notifications of buckets may be sent to. */
  readonly eventTargets?: ReadonlySet<string> | undefined;
  /** Signs tokens: any proxy with the same secret accepts them. */
  readonly tokenSecret: Buffer;
  /** Of the Swift API; absent: nothing of it is set. */
  readonly swift?: SwiftOptions | undefined;
  /** Of `swift.cnameDepth`: the name that a host stands for. */
  readonly lookUpCname?: ((host: string) => Promise<string | undefined>) | undefined;
  /** `/info` body, shared by whoever serves it. */
  readonly info: Readonly<Record<string, unknown>>;
}

/** proxy/swift/handler.ts and proxy/s3/handler.ts export a function of this shape. */
export type CreateHandler = (world: ProxyWorld) => HttpHandler;
