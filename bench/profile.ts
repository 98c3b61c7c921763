/**
 * Where the embedded cluster's JavaScript spends its time: Node's own sampling profiles of a run, added up by function.
 * Time in threads that run no JavaScript (disk, hashes in the pool) is not in them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const LINES = 30;
/** No work: waiting for events, or none at all. */
const IDLE = ['(idle)', '(root)'];

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** µs before each sample. */
  readonly timeDeltas: readonly number[];
}

/** Of all `.cpuprofile` files of a directory: the functions with the most time of their own, as lines. */
export function profileText(directory: string): string {
  const selfUs = new Map<string, number>();
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'))) {
    addUp(JSON.parse(readFileSync(path.join(directory, file), 'utf8')) as CpuProfile, selfUs);
  }
  const busy = [...selfUs].filter(([name]) => !IDLE.includes(name)).sort(([, a], [, b]) => b - a);
  const totalUs = busy.reduce((sum, [, us]) => sum + us, 0);
  return busy
    .slice(0, LINES)
    .map(([name, us]) => `${((us / totalUs) * 100).toFixed(1).padStart(5)} %  ${name}`)
    .join('\n');
}

function addUp({ nodes, samples, timeDeltas }: CpuProfile, selfUs: Map<string, number>): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '(unknown)';
    selfUs.set(name, (selfUs.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  });
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const place = url.replace(/^.*\/(?=build\/)/, '').replace(/^.*\/(?=node_modules\/)/, '');
  return `${name}  ${place}:${lineNumber + 1}`;
}
