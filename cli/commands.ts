// Every command of the needletail program, in the order that --help shows them.
// To add one: write cli/NAME.ts that exports `register(program)`, and list it here. register only declares the
// command and its options; import what is heavy inside the action, so that --help stays quick.
import type { Command } from 'commander';
import * as fsck from './fsck.ts';
import * as identity from './identity.ts';
import * as keys from './keys.ts';
import * as rebuildListings from './rebuild-listings.ts';
import * as ring from './ring.ts';
import * as start from './start.ts';
import * as status from './status.ts';
import * as volume from './volume.ts';

export interface CommandModule {
  register(program: Command): void;
}

export const COMMANDS: readonly CommandModule[] = [start, status, fsck, rebuildListings, ring, volume, keys, identity];
