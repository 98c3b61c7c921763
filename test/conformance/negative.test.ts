// What attackers send to object stores, against a real cluster with both APIs: a precise refusal, and nothing else happens.
import t from 'tap';
import { chunked } from './negative-chunked.ts';
import { runNegative } from './negative-rig.ts';
import { signatures } from './negative-signatures.ts';

t.setTimeout(120_000);

await runNegative(t, { signatures, chunked });
