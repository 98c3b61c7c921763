import t from 'tap';
import { CrcCombiner, type CrcName, createCrc } from './crc.ts';
import { createSeededRandom } from './random.ts';

const CHECK = Buffer.from('123456789');
/** Check values of the catalogue of parametrised CRC algorithms. */
const CHECK_VALUES: Readonly<Record<CrcName, string>> = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  crc64nvme: 'ae8b14860a799888',
};
const NAMES = Object.keys(CHECK_VALUES) as CrcName[];

function crcOf(name: CrcName, bytes: Uint8Array): Buffer {
  const crc = createCrc(name);
  crc.update(bytes);
  return crc.digest();
}

/** Bit by bit, straight from the definition. */
function slowCrc64(bytes: Uint8Array): string {
  let crc = 0xffffffffffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n;
  }
  return (crc ^ 0xffffffffffffffffn).toString(16).padStart(16, '0');
}

t.test('check values', async (t) => {
  for (const name of NAMES) t.equal(crcOf(name, CHECK).toString('hex'), CHECK_VALUES[name], name);
  t.equal(crcOf('crc64nvme', Buffer.alloc(0)).toString('hex'), '0000000000000000');
});

t.test('CRC-64/NVME agrees with its definition at every length and split', async (t) => {
  const seed = 20_240_901;
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  for (let length = 0; length < 70; length++) {
    const bytes = random.bytes(length);
    const split = random.below(length + 1);
    const crc = createCrc('crc64nvme');
    crc.update(bytes.subarray(0, split));
    crc.update(bytes.subarray(split));
    if (crc.digest().toString('hex') !== slowCrc64(bytes)) t.fail(`length ${length}, split ${split}`);
  }
  t.equal(crcOf('crc64nvme', random.bytes(4096)).length, 8);
});

t.test('pieces combine to the CRC of the whole', async (t) => {
  const seed = 77;
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  for (const name of NAMES) {
    for (const sizes of [[0], [1, 0, 1], [1000, 1000, 7], [65_536, 65_536, 65_536, 1]]) {
      const pieces = sizes.map((size) => random.bytes(size));
      const combiner = new CrcCombiner(name);
      for (const piece of pieces) combiner.append(crcOf(name, piece), piece.length);
      t.equal(
        combiner.digest().toString('hex'),
        crcOf(name, Buffer.concat(pieces)).toString('hex'),
        `${name} ${sizes}`,
      );
    }
  }
});
