/**
 * The world of a host's volumes with a death in it: at the n-th step that changes something (a file, a directory, a process, a
 * command to a daemon, an object), before or after it took effect, everything stops for this agent: its connections break
 * and nothing it still tries has any effect. Daemons live on, as they do when an agent is killed.
 */
import type { Files } from '../../block/host/files.ts';
import { systemFiles } from '../../block/host/files.ts';
import type { Processes } from '../../block/host/processes.ts';
import { systemProcesses } from '../../block/host/processes.ts';
import type { ObjectClient } from '../../block/repository/contract.ts';
import type { Disk } from '../../fabric/disk.ts';
import {
  type Endpoint,
  endpointText,
  type NetEvents,
  type NetListener,
  type StreamNet,
  type StreamSocket,
  systemNet,
} from '../../fabric/net.ts';
import { systemDisk } from '../../fabric/system-disk.ts';

export class Died extends Error {
  override readonly name = 'Died';
}

export interface Death {
  /** Counted from 1. */
  readonly step: number;
  readonly afterEffect: boolean;
}

/** What only asks. */
const HARMLESS = /"execute":"(?:query-|qmp_capabilities|nbd-server-query)/;

export class Mortal {
  #death: Death | undefined;
  readonly #sockets = new Set<StreamSocket>();
  readonly #listeners = new Set<NetListener>();
  readonly steps: string[] = [];
  /** Resolves when it has died. */
  readonly died: Promise<void>;
  #die: () => void = () => {};
  #dead = false;

  constructor(death?: Death) {
    this.#death = death;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  get dead(): boolean {
    return this.#dead;
  }

  dieAt(death: Death | undefined): void {
    this.#death = death;
  }

  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    for (const socket of this.#sockets) socket.destroy('the agent died');
    for (const listener of this.#listeners) void listener.close();
    this.#die();
  }

  #check(): void {
    if (this.#dead) throw new Died('dead');
  }

  async #step<T>(what: string, act: () => Promise<T>): Promise<T> {
    this.#check();
    this.steps.push(what);
    if (this.steps.length !== this.#death?.step) return act();
    if (this.#death.afterEffect) await act();
    this.kill();
    throw new Died(what);
  }

  async #look<T>(act: () => Promise<T>): Promise<T> {
    this.#check();
    const found = await act();
    this.#check();
    return found;
  }

  readonly disk: Disk = {
    open: (path, mode) =>
      mode === 'create'
        ? this.#step(`create ${path}`, () => systemDisk.open(path, mode))
        : this.#look(() => systemDisk.open(path, mode)),
    readFile: (path) => this.#look(() => systemDisk.readFile(path)),
    replaceFile: (path, contents, mode) =>
      this.#step(`write ${path}`, () => systemDisk.replaceFile(path, contents, mode)),
    list: (directory) => this.#look(() => systemDisk.list(directory)),
    makeDirectory: (directory) => this.#step(`directory ${directory}`, () => systemDisk.makeDirectory(directory)),
    remove: (path) => this.#step(`remove ${path}`, () => systemDisk.remove(path)),
    space: (directory) => systemDisk.space(directory),
  };

  readonly files: Files = {
    createSparse: (path, bytes) => this.#step(`sparse ${path}`, () => systemFiles.createSparse(path, bytes)),
    size: (path) => this.#look(() => systemFiles.size(path)),
    grow: (path, bytes) => this.#step(`grow ${path}`, () => systemFiles.grow(path, bytes)),
    sync: (path) => this.#look(() => systemFiles.sync(path)),
    rename: (from, to) => this.#step(`rename ${from}`, () => systemFiles.rename(from, to)),
    reflink: (from, to) => this.#step(`reflink ${to}`, () => systemFiles.reflink(from, to)),
    makePrivateDirectory: (path) => this.#step(`directory ${path}`, () => systemFiles.makePrivateDirectory(path)),
    makePrivate: (path) => this.#look(() => systemFiles.makePrivate(path)),
    removeTree: (path) => this.#step(`remove tree ${path}`, () => systemFiles.removeTree(path)),
  };

  readonly processes: Processes = {
    spawnDetached: (options) => this.#step('spawn', () => systemProcesses.spawnDetached(options)),
    find: (pid, part) => this.#look(() => systemProcesses.find(pid, part)),
    isAlive: (mark) => this.#look(() => systemProcesses.isAlive(mark)),
    signal: (mark, name) => this.#step(`${name}`, () => systemProcesses.signal(mark, name)),
  };

  readonly net: StreamNet = {
    connect: (endpoint, events) => this.#connect(endpoint, events),
    listen: async (endpoint, accept) => {
      this.#check();
      const listener = await systemNet.listen(endpoint, (socket) => {
        this.#sockets.add(socket);
        return accept(socket);
      });
      this.#listeners.add(listener);
      return listener;
    },
  };

  store(client: ObjectClient): ObjectClient {
    return {
      put: (name, body, condition) => this.#step(`put ${name}`, () => client.put(name, body, condition)),
      get: (name, range) => this.#look(() => client.get(name, range)),
      head: (name) => this.#look(() => client.head(name)),
      delete: (name, condition) => this.#step(`delete ${name}`, () => client.delete(name, condition)),
      list: (options) => {
        this.#check();
        return client.list(options);
      },
    };
  }

  #connect(endpoint: Endpoint, events: NetEvents): StreamSocket {
    const raw = systemNet.connect(this.#dead ? { path: '/nowhere' } : endpoint, events);
    this.#sockets.add(raw);
    const isControl = endpointText(endpoint).endsWith('.qmp');
    return {
      remote: raw.remote,
      write: (buffers, done) => {
        if (this.#dead) return;
        if (isControl) this.#command(raw, buffers, done);
        else raw.write(buffers, done);
      },
      destroy: (reason) => raw.destroy(reason),
      pause: () => raw.pause(),
      resume: () => raw.resume(),
      secure: (options) => raw.secure(options),
    };
  }

  #command(raw: StreamSocket, buffers: readonly Uint8Array[], done: () => void): void {
    const text = Buffer.concat(buffers).toString();
    if (!HARMLESS.test(text)) {
      this.steps.push(`command ${/"execute":"([^"]+)"/.exec(text)?.[1]}`);
      if (this.steps.length === this.#death?.step) {
        if (this.#death.afterEffect) raw.write(buffers, () => this.kill());
        else this.kill();
        return;
      }
    }
    raw.write(buffers, done);
  }
}
