// The part of autocannon 9 that load/autocannon-load.ts uses; the package has no types of its own.
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  export interface AutocannonClient extends EventEmitter {
    readonly destroyed: boolean;
    readonly parser: Record<number, (...args: never[]) => unknown>;
    readonly pipelinedRequests: { addBody: (data: Buffer) => void };
    getRequestBuffer: () => Buffer;
    destroy(): void;
  }

  export interface AutocannonOptions {
    readonly url: string;
    readonly connections: number;
    readonly duration: number;
    readonly timeout: number;
    readonly setupClient: (client: AutocannonClient) => void;
  }

  const autocannon: (options: AutocannonOptions, done: () => void) => EventEmitter;
  export default autocannon;
}
