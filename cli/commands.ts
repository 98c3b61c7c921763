// Every command of the needletail program, in the order that --help shows them.
// To add one: write cli/NAME.ts that exports `register(program)`, and list it here. register only declares the
// command and its options; import what is heavy inside the action, so that --help stays quick.
import type { Command } from 'commander';
import * as fsck from './fsck.ts';
import * as ring from './ring.ts';
import * as start from './start.ts';

export interface CommandModule {
  register(program: Command): void;
}

export const COMMANDS: readonly CommandModule[] = [start, fsck, ring];
