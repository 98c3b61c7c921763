/**
 * The conformance suite of the HTTP front: one contract, run for each engine, over plain TCP and TLS. What an engine
 * cannot do is asserted too, in the same place, so that docs/http.md stays true.
 */
import type { Test } from 'tap';
import type { HttpEngineName } from '../../fabric/http/engine.ts';
import { bodies } from './http-bodies.ts';
import { framing } from './http-framing.ts';
import { heads } from './http-heads.ts';
import { lifetime } from './http-lifetime.ts';

/** uWS's own time-outs of 10 s make some tests long. */
const SUITE_MS = 170_000;

export function conformance(t: Test, engine: HttpEngineName, tls: boolean): void {
  t.setTimeout(SUITE_MS);
  const flavour = { engine, tls, uws: engine === 'uws' };
  for (const suite of [framing, heads, bodies, lifetime]) {
    for (const [name, test] of Object.entries(suite)) t.test(name, (t) => test(t, flavour));
  }
}
