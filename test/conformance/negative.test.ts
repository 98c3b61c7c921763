// What attackers send to object stores, against a real cluster with both APIs: a precise refusal, and nothing else happens.
// ONLY=area runs one area.
import process from 'node:process';
import t from 'tap';
import { chunked } from './negative-chunked.ts';
import { documents } from './negative-documents.ts';
import { injection } from './negative-injection.ts';
import { paths } from './negative-paths.ts';
import { runNegative } from './negative-rig.ts';
import { rights } from './negative-rights.ts';
import { signatures } from './negative-signatures.ts';
import { sizes } from './negative-sizes.ts';
import { archives, signedUrls } from './negative-swift.ts';
import { tokens } from './negative-tokens.ts';

t.setTimeout(120_000);

const AREAS = { signatures, chunked, documents, paths, injection, rights, archives, signedUrls, tokens, sizes };
const only = process.env['ONLY'];
const chosen = Object.entries(AREAS).filter(([name]) => only === undefined || name === only);

await runNegative(t, Object.fromEntries(chosen));
