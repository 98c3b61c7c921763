/**
 * The requests of one run, one after the other, and what a good answer looks like. Knows no client and no clock: which
 * connection sends them, and for how long, is decided elsewhere.
 */
import { type Call, Caller, send } from '../target.ts';
import { bodyOf, LIST_LIMIT, type LoadKind, type LoadPlan, largeName } from './plan.ts';

/** Share of GET in a mixed run. */
const MIXED_GETS = 0.7;
const BOUNDED: readonly LoadKind[] = ['delete', 'fill', 'fill-large', 'clear', 'clear-large'];
const LIST_BYTES_MIN = 20 * LIST_LIMIT;

export interface Step {
  readonly call: Call;
  readonly body?: Buffer;
  /** The answer has at least that many bytes. */
  readonly bytesMin: number;
  /** Counted as moved. */
  readonly bodyBytes: number;
}

export class Job {
  readonly bounded: boolean;
  readonly caller: Caller;
  readonly #plan: LoadPlan;
  readonly #body: Buffer;
  readonly #reads: Step[] = [];
  /** Names used so far: written, deleted or filled. */
  #used = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.caller = new Caller(plan.target);
    this.bounded = BOUNDED.includes(plan.kind);
    const writes = ['put', 'mixed', 'fill'].includes(plan.kind) || plan.kind === 'get';
    this.#body = writes ? bodyOf(plan.sizeBytes) : Buffer.alloc(0);
    // Signed once: what is signed is good for a quarter of an hour, and the client's CPU is the server's on a small machine.
    if (['get', 'head', 'mixed'].includes(plan.kind)) {
      for (let i = 0; i < plan.names; i++) this.#reads.push(this.#read(i));
    }
  }

  get written(): number {
    return ['put', 'mixed'].includes(this.#plan.kind) ? this.#used : 0;
  }

  get exhausted(): boolean {
    return this.bounded && this.#used >= this.#plan.names;
  }

  /** Never called when exhausted. */
  next(): Step {
    const { kind, tag } = this.#plan;
    switch (kind) {
      case 'mixed':
        if (Math.random() < MIXED_GETS) return this.#anyRead();
        return this.#put(`${tag}/${this.#used++}`);
      case 'get':
      case 'head':
        return this.#anyRead();
      case 'put':
        return this.#put(`${tag}/${this.#used++}`);
      case 'fill':
        return this.#put(`p/${this.#used++}`);
      case 'fill-large':
        return this.#put(largeName(this.#used++));
      case 'delete':
        return this.#delete(`p/${this.#used++}`);
      case 'clear':
        return this.#delete(`${tag}/${this.#used++}`);
      case 'clear-large':
        return this.#delete(largeName(this.#used++));
      default:
        return this.#list();
    }
  }

  /** Errors found by looking at the store after the run. */
  async check(): Promise<string[]> {
    const { kind, container, tag, sizeBytes } = this.#plan;
    if (kind === 'delete') {
      const { status } = await send(this.caller, this.caller.object('HEAD', container, 'p/0'));
      return status === 404 ? [] : [`a deleted object answers ${status}`];
    }
    if (kind === 'list' || kind === 'page' || kind === 'prefixes') return await this.#checkList();
    const names: string[] = [];
    if (this.written > 0) names.push(`${tag}/0`, `${tag}/${this.#used - 1}`);
    if (['get', 'mixed', 'fill'].includes(kind)) names.push('p/0');
    const wrong: string[] = [];
    for (const name of names) {
      const { status, body } = await send(this.caller, this.caller.object('GET', container, name));
      if (status !== 200 || body.length !== sizeBytes || !body.equals(this.#body)) {
        wrong.push(`${name} reads back as ${status} with ${body.length} bytes`);
      }
    }
    return wrong;
  }

  #anyRead(): Step {
    return this.#reads[Math.floor(Math.random() * this.#reads.length)] as Step;
  }

  #read(i: number): Step {
    const { container, kind, sizeBytes } = this.#plan;
    const head = kind === 'head';
    const bytes = head ? 0 : sizeBytes;
    return { call: this.caller.object(head ? 'HEAD' : 'GET', container, `p/${i}`), bytesMin: bytes, bodyBytes: bytes };
  }

  #put(name: string): Step {
    const call = this.caller.object('PUT', this.#plan.container, name);
    return { call, body: this.#body, bytesMin: 0, bodyBytes: this.#body.length };
  }

  #delete(name: string): Step {
    return { call: this.caller.object('DELETE', this.#plan.container, name), bytesMin: 0, bodyBytes: 0 };
  }

  #list(): Step {
    const { kind, container, names } = this.#plan;
    const limit = LIST_LIMIT;
    let query: Parameters<Caller['list']>[1] = { limit };
    if (kind === 'prefixes') query = { limit, prefix: 'dir-', delimiter: '/' };
    if (kind === 'page') {
      const start = Math.floor(Math.random() * Math.max(1, names / 2 - limit - 1));
      query = { limit, prefix: 'object-', marker: largeName(start * 2) };
    }
    // A common prefix takes fewer bytes than an object.
    return { call: this.caller.list(container, query), bytesMin: LIST_BYTES_MIN, bodyBytes: 0 };
  }

  async #checkList(): Promise<string[]> {
    const { target } = this.#plan;
    const { status, body } = await send(this.caller, this.#list().call);
    if (status !== 200) return [`the listing answers ${status}`];
    const text = body.toString();
    const entries =
      target.api === 'swift' ? (JSON.parse(text) as unknown[]).length : text.match(/<(?:Key|CommonPrefixes)>/g)?.length;
    return entries === LIST_LIMIT ? [] : [`the listing has ${entries} entries`];
  }
}
