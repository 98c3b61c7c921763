// node scripts/run.mjs MODULE ARGS: the set-up of npm start, then build/MODULE.js in this very process.
import { fail, runBuilt, setUp } from './setup.mjs';

const [entry, ...args] = process.argv.slice(2);
if (entry === undefined) fail('usage: node scripts/run.mjs MODULE [ARGS]');
setUp();
await runBuilt(entry, args);
