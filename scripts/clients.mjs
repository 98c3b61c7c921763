// npm run clients [-- ARGS]: set-up, the clients' Debian packages where they may be installed, then test/clients/main.ts.
import { runBuilt, setUp } from './setup.mjs';
import { ensureSystemPackages } from './system-packages.mjs';

const args = process.argv.slice(2);
setUp();
ensureSystemPackages(!args.includes('--no-install'));
await runBuilt('test/clients/main', args);
