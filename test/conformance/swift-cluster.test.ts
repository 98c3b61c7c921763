// The Swift API as it is shipped, with the real clients.
import t from 'tap';
import { swiftConformance } from './swift.ts';
import { start } from './swift-cluster.ts';

swiftConformance(t, start, { members: true });
