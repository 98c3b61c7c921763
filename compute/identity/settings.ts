/** What an operator may set, with Keystone's own defaults. A closed table: nothing else changes how identity behaves. */
import { ACTIVE_KEYS_MAX_DEFAULT } from './key-repository.ts';
import type { ScryptCost } from './password-format.ts';
import { SCRYPT_COST_DEFAULT } from './passwords.ts';

export interface IdentitySettings {
  readonly tokenLifetimeS: number;
  /** How long after its end a token still validates for services that ask with allow_expired. */
  readonly expiredWindowS: number;
  readonly activeKeysMax: number;
  readonly passwordCost: ScryptCost;
  /** Levels of projects below a domain, the domain not counted. */
  readonly projectDepthMax: number;
  /** 0: no limit. */
  readonly listMax: number;
  /** Failed logins until an account is locked. 0: never. */
  readonly lockoutAttempts: number;
  readonly lockoutS: number;
  /** Matched from the start of a password, as Python's re.match does. */
  readonly passwordRegex: string | undefined;
  readonly passwordRegexText: string;
  /** A new password is none of so many before. 0: no check. */
  readonly passwordHistory: number;
  /** 0: may be changed again at once. */
  readonly passwordAgeMinDays: number;
  /** 0: never expires. */
  readonly passwordDays: number;
  readonly changeOnFirstUse: boolean;
  /** Days without a login until a user counts as disabled. 0: never. */
  readonly inactiveDays: number;
  readonly appCredsPerUserMax: number;
  readonly credentialsPerUserMax: number;
}

export const SETTINGS_DEFAULT: IdentitySettings = {
  tokenLifetimeS: 3600,
  expiredWindowS: 172_800,
  activeKeysMax: ACTIVE_KEYS_MAX_DEFAULT,
  passwordCost: SCRYPT_COST_DEFAULT,
  projectDepthMax: 5,
  listMax: 0,
  lockoutAttempts: 0,
  lockoutS: 1800,
  passwordRegex: undefined,
  passwordRegexText: '',
  passwordHistory: 0,
  passwordAgeMinDays: 0,
  passwordDays: 0,
  changeOnFirstUse: false,
  inactiveDays: 0,
  appCredsPerUserMax: 1000,
  credentialsPerUserMax: 1000,
};
