/**
 * The conformance suite of the HTTP front: one contract, run for each engine, over plain TCP and TLS. What an engine
 * cannot do is asserted too, in the same place, so that docs/http.md stays true.
 */
import type { Test } from 'tap';
import type { HttpEngineName } from '../../fabric/http/engine.ts';
import { framing } from './http-framing.ts';

export function conformance(t: Test, engine: HttpEngineName): void {
  for (const tls of [false, true]) {
    t.test(`${engine} over ${tls ? 'TLS' : 'plain TCP'}`, (t) => {
      const flavour = { engine, tls };
      framing(t, flavour);
      t.end();
    });
  }
}
