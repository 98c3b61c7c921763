// Versions in all of Swift's modes, and what resellers forbid, on the cluster as it is shipped. The store in memory has
// neither.
import t from 'tap';
import { archived } from './swift-archived.ts';
import { start } from './swift-cluster.ts';
import { runSuites } from './swift-rig.ts';
import { versioned } from './swift-versioned.ts';
import { readOnly } from './swift-web.ts';

t.test('over HTTP', (t) => runSuites(t, start, { versioned, archived, readOnly }));
