import t from 'tap';
import { flatMemory } from './http-memory.ts';

for (const engine of ['node', 'uws'] as const) t.test(engine, (t) => flatMemory(t, engine));
