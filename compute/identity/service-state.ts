/** What every part of identity is given: the world, the store, keys and settings. Made once by start.ts. */
import type { ControlStore } from '../../control/contract.ts';
import type { Clock } from '../../fabric/clock.ts';
import type { Random } from '../../fabric/random.ts';
import type { KeyRing } from './key-ring.ts';
import type { Moment } from './model/rows.ts';
import type { Passwords } from './passwords.ts';
import type { IdentitySettings } from './settings.ts';

export interface Identity {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly tokenKeys: KeyRing;
  /** Seals the secrets of credentials where they are stored. */
  readonly credentialKeys: KeyRing;
  readonly passwords: Passwords;
  readonly settings: IdentitySettings;
}

export function moment({ clock, random }: Pick<Identity, 'clock' | 'random'>): Moment {
  return { nowMs: clock.nowMs(), newId: () => newId(random) };
}

/** A random UUID (version 4, RFC 9562) as 32 hex digits, which is what Keystone's ids are. */
export function newId(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes.toString('hex');
}
