/**
 * `npm run bench -- peers`: this store beside others on the same machine, one other at a time, and its S3 beside its own
 * Swift API. Chooses what to measure, and puts the tables of everything kept so far where they are read.
 */
import { writeSections } from '../document.ts';
import { compareDoors } from './compare-doors.ts';
import { comparePeer } from './compare-peer.ts';
import { PEERS_HELP, parsePeers } from './options.ts';
import { sectionsOf } from './sections.ts';
import { PeersState } from './state-format.ts';

export { PEERS_HELP };

/** Resolves to false when a row measured now is invalid. */
export async function peers(args: readonly string[]): Promise<boolean> {
  const options = parsePeers(args);
  const state = new PeersState(options.out, options.fresh);
  if (!options.render && options.peers.length === 0 && !options.doors) throw new Error('nothing to compare with');
  let good = true;
  if (!options.render) {
    for (const where of options.peers) good = (await comparePeer(where, options, state)) && good;
    if (options.doors) good = (await compareDoors(options, state)) && good;
  }
  const sections = sectionsOf(state);
  for (const [name, section] of Object.entries(sections)) console.log(`\n## ${name}\n\n${section}`);
  if (options.writeDocs) writeSections(sections);
  return good;
}
