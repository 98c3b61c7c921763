// npm start -- ARGS: sets up what a fresh clone lacks, then is "needletail start ARGS" in this very process.
import { runBuilt, setUp } from './setup.mjs';

setUp();
await runBuilt('cli/main', ['start', ...process.argv.slice(2)]);
