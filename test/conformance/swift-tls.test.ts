// The Swift API over TLS: clients take other ways there, and the storage address must say https.
import t from 'tap';
import { swiftConformance } from './swift.ts';
import { startInMemory } from './swift-memory.ts';
import { runRclone } from './swift-rclone.ts';

swiftConformance(t, () => startInMemory(t, true), { clients: [runRclone] });
