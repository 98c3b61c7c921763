/**
 * Makes and checks stored secrets. Passwords go through scrypt on Node's thread pool, so the event loop goes on; at most
 * RUNNING_MAX at once, because the pool is also what reads files, and at most WAITING_MAX behind them: a flood of logins
 * is refused instead of taking the machine. Never keeps, logs or returns a password, and takes as long for unknown users.
 */
import { createHash, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { identityFaults } from './faults.ts';
import { formatSecret, parseSecret, type ScryptCost } from './password-format.ts';

/** 32 MiB a hash; as much work as OWASP asks of scrypt at the least (2024: N 2^15, r 8, p 3). */
export const SCRYPT_COST_DEFAULT: ScryptCost = { logN: 15, r: 8, p: 3 };
/** Of the four threads that Node's pool has. */
const RUNNING_MAX = 2;
const WAITING_MAX = 64;
/** What a stored hash may ask of us, whoever wrote it: 256 MiB. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
export const PASSWORD_BYTES_MAX = 4096;

export interface Passwords {
  /** For what people choose. */
  hash(password: string): Promise<string>;
  /** For secrets drawn at random here: of no use for anything shorter than 256 random bits. */
  hashRandom(secret: string): string;
  /** False for a wrong password; with `stored` undefined false after as much work. Fault IdentityUnavailable when too many wait. */
  verify(password: string, stored: string | undefined): Promise<boolean>;
}

export function createPasswords(random: Random, cost: ScryptCost = SCRYPT_COST_DEFAULT): Passwords {
  const gate = new Gate();
  const dummySalt = Buffer.alloc(SALT_BYTES);
  const derive = (password: string, salt: Buffer, asked: ScryptCost): Promise<Buffer> =>
    gate.run(() => scryptHash(password, salt, asked));
  return {
    async hash(password) {
      const salt = Buffer.from(random.bytes(SALT_BYTES));
      return formatSecret({ kind: 'scrypt', cost, salt, hash: await derive(password, salt, cost) });
    },
    hashRandom(secret) {
      const salt = Buffer.from(random.bytes(SALT_BYTES));
      return formatSecret({ kind: 'sha256', salt, hash: sha256(salt, secret) });
    },
    async verify(password, stored) {
      if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
      const secret = stored === undefined ? undefined : parseSecret(stored);
      if (secret?.kind === 'sha256') return timingSafeEqual(sha256(secret.salt, password), secret.hash);
      const hash = await derive(password, secret?.salt ?? dummySalt, secret?.cost ?? cost);
      return secret !== undefined && secret.hash.length === hash.length && timingSafeEqual(hash, secret.hash);
    },
  };
}

function sha256(salt: Buffer, secret: string): Buffer {
  return createHash('sha256').update(salt).update(secret).digest();
}

function scryptHash(password: string, salt: Buffer, { logN, r, p }: ScryptCost): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: MEMORY_BYTES_MAX };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, options, (error, hash) => (error ? reject(error) : resolve(hash)));
  });
}

/** A bounded number at once, a bounded number behind, first come first served. */
class Gate {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.#running >= RUNNING_MAX) {
      if (this.#waiting.length >= WAITING_MAX)
        throw new Fault(identityFaults.unavailable, {}, 'too many passwords are being checked');
      // Whoever ends hands its place over, so nobody can step in between.
      await new Promise<void>((go) => this.#waiting.push(go));
    } else this.#running++;
    try {
      return await body();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
