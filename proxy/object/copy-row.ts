/**
 * The row of a version whose copy stays behind while the object's register holds it again: it says that its bytes are
 * counted with the object. Written once that is certain, under the ballot that made it so: whoever sets the version aside
 * later does so under a newer one, and counts it. A crash before leaves bytes counted twice, until then; never not at all.
 */
import type { Stamp } from '../../fabric/stamp.ts';
import { writeUnder } from '../quorum-decide.ts';
import type { Named } from './commit.ts';
import type { Engine } from './engine.ts';
import { versionRow } from './row-writes.ts';
import type { Version } from './set-aside.ts';

export class CopyRow {
  readonly #engine: Engine;
  readonly #container: Named['container'];
  #wanted: { readonly version: Version; readonly ballot: Stamp } | undefined;

  constructor(engine: Engine, { container }: Named) {
    this.#engine = engine;
    this.#container = container;
  }

  /** In the round under `ballot`, which stays open for it. A delete marker has no bytes. */
  want(version: Version, ballot: Stamp): void {
    this.drop();
    if (version.record.marker === true) return;
    this.#engine.cluster.settled.join(ballot);
    this.#wanted = { version, ballot };
  }

  /** The round came to nothing. */
  drop(): void {
    if (this.#wanted) this.#engine.cluster.settled.close(this.#wanted.ballot);
    this.#wanted = undefined;
  }

  /** The round took effect. Nobody waits for it. */
  write(): void {
    if (!this.#wanted) return;
    const { version, ballot } = this.#wanted;
    this.#wanted = undefined;
    const { record, register } = version;
    const row = versionRow(this.#container, { record, head: register.head }, ballot, true);
    this.#engine.later('row of a copy', async () => {
      await writeUnder(this.#engine.cluster, ballot, [{ ...row, newerIsFine: true }]);
    });
  }
}
