/**
 * Both sides of the hello, as state machines that are fed bytes and say what to send. They own the order of messages, the
 * choice of the version and the proofs; the connection owns the socket and the time limit. Any doubt ends in a
 * HandshakeFailed with a reason; on the server `refusal` is what may be told to the other side.
 */
import { Fault, fabricFaults } from '../errors.ts';
import type { Random } from '../random.ts';
import {
  decodeChallenge,
  decodeHello,
  decodeRefuse,
  encodeChallenge,
  encodeHello,
  encodeRefuse,
  frameHello,
  handshakeMac,
  helloTypes,
  MalformedHello,
  macEquals,
  NONCE_BYTES,
  RPC_VERSIONS,
  unframeHello,
  type Versions,
} from './hello-format.ts';

export interface Identity {
  /** Name of this node. */
  readonly name: string;
  readonly clusterId: string;
  readonly secret: Uint8Array | string;
  readonly random: Random;
  readonly versions?: Versions;
}

/** What feeding bytes led to. `peer` is set once the other side is trusted; `rest` then belongs to the frame reader. */
export interface HandshakeStep {
  readonly send?: Buffer;
  readonly peer?: { readonly name: string; readonly version: number };
  readonly rest: Buffer;
}

export interface Handshake {
  /** Throws a Fault HandshakeFailed. */
  feed(chunk: Buffer): HandshakeStep;
}

const EMPTY = Buffer.alloc(0);

export function handshakeFailed(reason: string): Fault {
  return new Fault(fabricFaults.handshake, { reason }, `handshake failed: ${reason}`);
}

/** The REFUSE message for a failure of ours. */
export function refusal(fault: Fault): Buffer {
  return frameHello(helloTypes.refuse, encodeRefuse(String(fault.details['reason'])));
}

type Message = NonNullable<ReturnType<typeof unframeHello>>;

/** Joins chunks until a message is complete; at most HELLO_BYTES_MAX are kept. */
class HelloBuffer {
  #bytes: Buffer = EMPTY;

  take(chunk: Buffer): Message | undefined {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    try {
      const message = unframeHello(this.#bytes);
      if (message) this.#bytes = EMPTY;
      return message;
    } catch (error) {
      throw asHandshakeFault(error);
    }
  }
}

function asHandshakeFault(error: unknown): unknown {
  return error instanceof MalformedHello ? handshakeFailed(error.message) : error;
}

function decoded<T>(decode: (payload: Buffer) => T, payload: Buffer): T {
  try {
    return decode(payload);
  } catch (error) {
    throw asHandshakeFault(error);
  }
}

export class ClientHandshake implements Handshake {
  readonly #identity: Identity;
  readonly #serverName: string;
  readonly #buffer = new HelloBuffer();
  readonly #hello: Buffer;
  #challenge: Buffer | undefined;
  #version = 0;

  constructor(identity: Identity, serverName: string) {
    this.#identity = identity;
    this.#serverName = serverName;
    const { name, clusterId, random, versions = RPC_VERSIONS } = identity;
    this.#hello = encodeHello({ versions, nonce: Buffer.from(random.bytes(NONCE_BYTES)), clusterId, name });
  }

  start(): Buffer {
    return frameHello(helloTypes.hello, this.#hello);
  }

  feed(chunk: Buffer): HandshakeStep {
    const message = this.#buffer.take(chunk);
    if (message === undefined) return { rest: EMPTY };
    if (message.type === helloTypes.refuse) throw handshakeFailed(decoded(decodeRefuse, message.payload));
    if (this.#challenge === undefined) return this.#answerChallenge(message);
    if (message.type !== helloTypes.welcome) throw handshakeFailed('expected a welcome');
    const mac = handshakeMac('server', this.#identity.secret, this.#hello, this.#challenge);
    if (!macEquals(mac, message.payload)) throw handshakeFailed('wrong cluster secret');
    return { peer: { name: this.#serverName, version: this.#version }, rest: message.rest };
  }

  #answerChallenge(message: Message): HandshakeStep {
    if (message.type !== helloTypes.challenge) throw handshakeFailed('expected a challenge');
    const challenge = decoded(decodeChallenge, message.payload);
    const { secret, versions = RPC_VERSIONS } = this.#identity;
    if (challenge.version < versions.min || challenge.version > versions.max)
      throw handshakeFailed(`version ${challenge.version} was not offered`);
    if (challenge.name !== this.#serverName)
      throw handshakeFailed(`expected node ${this.#serverName}, found ${challenge.name}`);
    if (message.rest.length > 0) throw handshakeFailed('bytes before the proof');
    this.#challenge = message.payload;
    this.#version = challenge.version;
    const mac = handshakeMac('client', secret, this.#hello, this.#challenge);
    return { send: frameHello(helloTypes.proof, mac), rest: EMPTY };
  }
}

export class ServerHandshake implements Handshake {
  readonly #identity: Identity;
  readonly #buffer = new HelloBuffer();
  #hello: Buffer | undefined;
  #challenge: Buffer = EMPTY;
  #peer = { name: '', version: 0 };

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  feed(chunk: Buffer): HandshakeStep {
    const message = this.#buffer.take(chunk);
    if (message === undefined) return { rest: EMPTY };
    if (this.#hello === undefined) return this.#answerHello(message);
    if (message.type !== helloTypes.proof) throw handshakeFailed('expected a proof');
    const { secret } = this.#identity;
    if (!macEquals(handshakeMac('client', secret, this.#hello, this.#challenge), message.payload))
      throw handshakeFailed('wrong cluster secret');
    const mac = handshakeMac('server', secret, this.#hello, this.#challenge);
    return { send: frameHello(helloTypes.welcome, mac), peer: this.#peer, rest: message.rest };
  }

  #answerHello(message: Message): HandshakeStep {
    if (message.type !== helloTypes.hello) throw handshakeFailed('expected a hello');
    const hello = decoded(decodeHello, message.payload);
    const { name, clusterId, random, versions = RPC_VERSIONS } = this.#identity;
    const version = Math.min(versions.max, hello.versions.max);
    if (version < Math.max(versions.min, hello.versions.min)) {
      const theirs = `${hello.versions.min}-${hello.versions.max}`;
      throw handshakeFailed(
        `no common protocol version: ${name} speaks ${versions.min}-${versions.max}, not ${theirs}`,
      );
    }
    if (hello.clusterId !== clusterId) throw handshakeFailed('wrong cluster id');
    if (message.rest.length > 0) throw handshakeFailed('bytes before the challenge');
    this.#hello = message.payload;
    this.#peer = { name: hello.name, version };
    this.#challenge = encodeChallenge({ version, nonce: Buffer.from(random.bytes(NONCE_BYTES)), name });
    return { send: frameHello(helloTypes.challenge, this.#challenge), rest: EMPTY };
  }
}
