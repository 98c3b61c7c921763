#!/usr/bin/env node
// The needletail command. Starts here whether it was run by hand, by "npm start" or by a service manager.
// Holds nothing but the exit code: commands are in commands.ts, their wording in program.ts.
import process from 'node:process';
import { isDebugWanted } from '../fabric/config-host.ts';
import { runProgram } from './program.ts';

// A reader that has seen enough ("needletail ring show | head") is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await runProgram(process.argv.slice(2), { debug: isDebugWanted() });
