import t from 'tap';
import { swiftConformance } from './swift.ts';
import { start } from './swift-cluster.ts';

swiftConformance(t, start, { members: true });
