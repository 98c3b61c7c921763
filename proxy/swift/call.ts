/**
 * One request while it is served: what was asked, of what, by whom. It is the Context that the store sees, so one small
 * object per request is all there is. Decides nothing.
 */
import type { HttpRequest } from '../../fabric/http/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import type { Tokens } from '../auth/token.ts';
import type { ProxyWorld } from '../contract.ts';
import {
  ANONYMOUS,
  type Caller,
  type ContainerRef,
  type Context,
  type Grant,
  type ObjectRef,
} from '../object/contract.ts';
import { CommonScope } from '../request-facts.ts';
import type { CheckPath } from './name-check.ts';
import { NO_PARAMS, type Params, parseQuery } from './names.ts';
import { ownsAccount } from './owner.ts';
import { isTrue } from './true-value.ts';
import type { UrlDigest } from './url-digests.ts';

export interface PolicyName {
  /** As shown. */
  readonly name: string;
  /** All lower-case names by which it may be asked for. */
  readonly aliases: readonly string[];
  readonly deprecated: boolean;
}

/** What all requests share. */
export interface SwiftWorld extends ProxyWorld {
  readonly tokens: Tokens;
  /** Storage policies by index. */
  readonly policies: readonly PolicyName[];
  /** With which signed URLs and forms may be signed. */
  readonly urlDigests: readonly UrlDigest[];
  /** There only where the operator asked for them. */
  readonly rateLimits?: { wait(call: SwiftCall): Promise<void> } | undefined;
  readonly checkPath?: CheckPath | undefined;
  /** There are realms: clusters may ask by signature. */
  readonly syncs: boolean;
}

export class SwiftCall implements Context {
  readonly world: SwiftWorld;
  readonly http: HttpRequest;
  readonly transId: string;
  caller: Caller = ANONYMOUS;
  grant: Grant | undefined = undefined;
  /** Decoded; '' where the path ends before. */
  account: string | undefined;
  container = '';
  object = '';
  /** Another cluster asks, for one container; and when what it writes was written there. */
  isSync = false;
  at: Stamp | undefined = undefined;
  #params: Params | undefined;

  constructor(world: SwiftWorld, http: HttpRequest, transId: string) {
    this.world = world;
    this.http = http;
    this.transId = transId;
  }

  /** For the conditions of S3's bucket policies, which hold here too. */
  get scope(): CommonScope {
    return new CommonScope(this.http, this.world.clock);
  }

  get referer(): string | undefined {
    return this.http.headers.get('referer');
  }

  get openExpired(): boolean {
    return isTrue(this.http.headers.get('x-open-expired')) && ownsAccount(this.caller, this.account);
  }

  /** Made by the engine on first use. */
  get signal(): AbortSignal {
    return this.http.signal;
  }

  get params(): Params {
    this.#params ??= parseQuery(this.http.query);
    return this.#params;
  }

  /** From here on the request has none. */
  forgetParams(): void {
    this.#params = NO_PARAMS;
  }

  header(name: string): string | undefined {
    return this.http.headers.get(name);
  }

  get containerRef(): ContainerRef {
    return { account: this.account ?? '', container: this.container };
  }

  get objectRef(): ObjectRef {
    return { account: this.account ?? '', container: this.container, object: this.object };
  }
}
