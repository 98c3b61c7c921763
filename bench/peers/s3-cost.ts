/**
 * What S3 with signatures costs on this store beside the Swift API, and uWebSockets.js beside node:http: the same rows by
 * the same client, one after the other within each pass.
 */
import type { Embedded, Port } from '../embedded.ts';
import type { LoadKind } from '../load/plan.ts';
import { StoreUnderTest } from '../store-under-test.ts';
import type { Api } from '../target.ts';
import type { Sample } from './peer.ts';

export const DOORS = [
  { id: 'swift', title: 'Swift API, node:http', api: 'swift', port: 'all' },
  { id: 's3-node', title: 'S3, node:http', api: 's3', port: 'all' },
  { id: 's3-uws', title: 'S3, uWebSockets.js', api: 's3', port: 's3' },
] as const satisfies readonly { id: string; title: string; api: Api; port: Port }[];

export type Door = (typeof DOORS)[number]['id'];

export interface DoorRow {
  readonly id: string;
  readonly title: string;
  readonly kind: LoadKind;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly names: number;
}

const row = (id: string, title: string, kind: LoadKind, rest: readonly [number, number, number]): DoorRow => {
  const [sizeBytes, connections, names] = rest;
  return { id, title: `${title}, ${connections}`, kind, sizeBytes, connections, names };
};

export const DOOR_ROWS: readonly DoorRow[] = [
  row('put-4k', 'PUT 4 KiB', 'put', [4096, 64, 0]),
  row('get-4k', 'GET 4 KiB', 'get', [4096, 64, 1000]),
  row('head-4k', 'HEAD', 'head', [4096, 64, 1000]),
  row('delete-4k', 'DELETE 4 KiB', 'delete', [4096, 64, 20_000]),
  row('list', 'LIST 1,000 names', 'list', [0, 64, 1000]),
  row('mixed-4k', '70 % GET / 30 % PUT 4 KiB', 'mixed', [4096, 64, 1000]),
  row('put-64k', 'PUT 64 KiB', 'put', [65536, 64, 0]),
  row('put-1m', 'PUT 1 MiB', 'put', [1 << 20, 16, 0]),
  row('get-1m', 'GET 1 MiB', 'get', [1 << 20, 16, 100]),
];

export interface DoorSample extends Sample {
  readonly clientCpuUsPerOp: number;
}

export interface DoorPass {
  readonly samples: Readonly<Record<Door, DoorSample>>;
}

export class Doors {
  readonly #stores = new Map<Door, StoreUnderTest>();

  static async open(cluster: Embedded): Promise<Doors> {
    const doors = new Doors();
    for (const { id, api, port } of DOORS) {
      doors.#stores.set(id, new StoreUnderTest(await cluster.target(api, port), [cluster.pid], false));
    }
    return doors;
  }

  async measure(door: Door, args: DoorRow & { seconds: number; warmupSeconds: number }): Promise<DoorSample> {
    const store = this.#stores.get(door) as StoreUnderTest;
    const { kind, sizeBytes, connections, names, seconds, warmupSeconds } = args;
    const measured = await store.load({ kind, sizeBytes, connections, names, seconds, warmupSeconds });
    const { ops, windowSeconds, server, p50Ms, p99Ms, errors, clientCpuUs, otherCpuShare } = measured;
    return {
      opsPerSecond: ops / windowSeconds,
      ...(server ? { cpuUsPerOp: server.cpuUsPerOp } : {}),
      p50Ms,
      p99Ms,
      errors: ops === 0 ? errors + 1 : errors,
      otherCpuPercent: otherCpuShare * 100,
      clientCpuUsPerOp: clientCpuUs / Math.max(1, ops),
    };
  }
}
