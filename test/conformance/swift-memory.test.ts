// The Swift API on node:http over the store in memory; the real clients meet it on the cluster.
import t from 'tap';
import { swiftConformance } from './swift.ts';
import { startInMemory } from './swift-memory.ts';

swiftConformance(t, () => startInMemory(t, false), { clients: [] });
