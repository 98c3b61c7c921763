/** What an operator may set of the Swift API: section [swift] of the configuration file. All of it is off by itself. */
import { SYNC_DEFAULTS, type SyncOptions } from './sync-realms.ts';

export interface SwiftOptions {
  /** `container.account.DOMAIN` and `account.DOMAIN` name a container and an account in the Host header. */
  readonly storageDomains: readonly string[];
  /** Put in front of an account in a Host header that has none of its own, e.g. `AUTH`. */
  readonly defaultResellerPrefix?: string | undefined;
  /** CNAME records that lead from a client's own domain to one of `storageDomains`, at most; 0: none are looked up. */
  readonly cnameDepth: number;
  /** Whom to ask, `address` or `address:port`; none: as the system is set up. */
  readonly nameservers: readonly string[];
  /** Storage policies by index, as containers record them; the first one is the default. */
  readonly policies: readonly PolicyOption[];
  readonly nameCheck?: NameCheck | undefined;
  /** Nothing is written but where an account or container says otherwise. */
  readonly readOnly: boolean;
  /** What is read-only can be deleted all the same. */
  readonly readOnlyAllowsDeletes: boolean;
  readonly rates?: Rates | undefined;
  /** ETags in quotes, where neither container nor account says otherwise. */
  readonly quotedEtags: boolean;
  /** Resellers may make and delete accounts. */
  readonly accountManagement: boolean;
  /** What is in a deleted account is kept, out of reach, for so long. */
  readonly reapDelayS: number;
  /** Inside of `/crossdomain.xml`; none: 404. */
  readonly crossDomainPolicy?: string | undefined;
  /** With which clusters containers may be synchronised. */
  readonly sync: SyncOptions;
}

/** All of them keep three replicas so far. */
export interface PolicyOption {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Containers that have it keep it; new ones cannot ask for it. */
  readonly deprecated: boolean;
}

export interface NameCheck {
  readonly forbiddenChars: string;
  readonly lengthMax: number;
  /** '' forbids nothing. */
  readonly forbiddenPattern: string;
}

export interface Rates {
  /** PUT and DELETE of containers, in one account, per second; 0: any number. */
  readonly account: number;
  /** Writes of objects per second by the number of objects in the container, sizes rising; in between it is interpolated. */
  readonly container: readonly RatePoint[];
  readonly listing: readonly RatePoint[];
  /** A request that would have to wait longer is refused. */
  readonly sleepMaxS: number;
  /** Unused rate that may be caught up with. */
  readonly bufferS: number;
}

export interface RatePoint {
  readonly objects: number;
  readonly perS: number;
}

export const SWIFT_DEFAULTS: SwiftOptions = {
  storageDomains: [],
  cnameDepth: 0,
  nameservers: [],
  policies: [{ name: 'gold', aliases: [], deprecated: false }],
  readOnly: false,
  readOnlyAllowsDeletes: false,
  quotedEtags: false,
  sync: SYNC_DEFAULTS,
  accountManagement: true,
  reapDelayS: 0,
};
