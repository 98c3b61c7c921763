/** Randomness as an argument: `systemRandom` in production, a seeded source in tests and the simulator. */
import { randomBytes } from 'node:crypto';

export interface Random {
  bytes(count: number): Buffer;
  /** Uniform in [0, limit). */
  below(limit: number): number;
}

/** Unpredictable; draws from the operating system in blocks, because one call per 16 bytes costs more than the bytes. */
export function createSystemRandom(): Random {
  let pool = randomBytes(4096);
  let used = 0;
  const bytes = (count: number): Buffer => {
    if (count > 1024) return randomBytes(count);
    if (used + count > pool.length) {
      pool = randomBytes(4096);
      used = 0;
    }
    used += count;
    return pool.subarray(used - count, used);
  };
  return { bytes, below: (limit) => Math.floor((bytes(6).readUIntBE(0, 6) / 2 ** 48) * limit) };
}

export const systemRandom: Random = createSystemRandom();

/** xoshiro128** (Blackman & Vigna): small, fast, replayable; never for secrets. */
export function createSeededRandom(seed: number): Random {
  const state = new Uint32Array(4);
  for (let i = 0, x = seed >>> 0; i < 4; i++) {
    x = (x + 0x9e3779b9) >>> 0;
    let z = x;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[i] = (z ^ (z >>> 16)) >>> 0;
  }
  const next = (): number => {
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const c1 = c ^ a;
    const d1 = d ^ b;
    state[1] = b ^ c1;
    state[0] = a ^ d1;
    state[2] = c1 ^ (b << 9);
    state[3] = (d1 << 11) | (d1 >>> 21);
    return result;
  };
  return {
    bytes(count) {
      const out = Buffer.allocUnsafe(count);
      for (let i = 0; i < count; i++) out[i] = next() & 0xff;
      return out;
    },
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
  };
}
