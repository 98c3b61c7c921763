// The aws-chunked decoder: right bodies in any pieces, wrong ones refused, and no input that makes it loop or grow.
import process from 'node:process';
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { bodyOf, plainChunks, signChunks, signingKey } from '../../test/s3-signer.ts';
import type { ChunkSigning } from './sigv4.ts';
import { AwsChunkedBody } from './sigv4-chunked.ts';
import { SigningKey } from './sigv4-keys.ts';

const CREDENTIALS = { accessKeyId: 'AKID', secretAccessKey: 'secret', region: 'us-east-1' };
const TIMESTAMP = '20130524T000000Z';
const SEED = 'ab'.repeat(32);
const SIGNING: ChunkSigning = {
  key: new SigningKey(signingKey(CREDENTIALS, '20130524')),
  timestamp: TIMESTAMP,
  scope: '20130524/us-east-1/s3/aws4_request',
  seedSignature: SEED,
};
const TRAILER = { 'x-amz-checksum-crc32': 'AAAAAA==' };
const NAMES = Object.keys(TRAILER);

interface Trial {
  readonly wire: Buffer;
  readonly decodedBytes: number;
  readonly signed?: boolean;
  readonly trailerNames?: readonly string[] | undefined;
  readonly pieces?: readonly Buffer[];
}

function open({ wire, decodedBytes, signed = false, trailerNames, pieces = [wire] }: Trial): AwsChunkedBody {
  const signing = signed ? SIGNING : undefined;
  return new AwsChunkedBody({ source: bodyOf(pieces), decodedBytes, signing, trailerNames });
}

async function readAll(body: AwsChunkedBody): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let piece = await body.read(); piece !== undefined; piece = await body.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Cuts into up to `count` pieces at random places. */
function cut(wire: Buffer, count: number, below: (limit: number) => number): Buffer[] {
  const places = [0, wire.length, ...Array.from({ length: count }, () => below(wire.length + 1))].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => wire.subarray(places[index], end));
}

const chunks = [Buffer.alloc(9000, 1), Buffer.alloc(8192, 2), Buffer.alloc(5, 3)];
const data = Buffer.concat(chunks);
const signedBody = (trailers?: Record<string, string>): Buffer =>
  signChunks({ credentials: CREDENTIALS, timestamp: TIMESTAMP, seed: SEED, chunks, ...(trailers ? { trailers } : {}) });

t.test('decodes whatever the pieces', async (t) => {
  const seed = Number(process.env['SEED'] ?? 99);
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  const below = (limit: number): number => random.below(limit);
  for (let round = 0; round < 300; round++) {
    const kind = round % 3;
    const wire = kind === 0 ? plainChunks(chunks, TRAILER) : signedBody(kind === 1 ? TRAILER : undefined);
    const trailerNames = kind === 2 ? undefined : NAMES;
    const trial = {
      wire,
      decodedBytes: data.length,
      signed: kind > 0,
      trailerNames,
      pieces: cut(wire, below(40), below),
    };
    const body = open(trial);
    const got = round % 2 === 0 ? await body.collect(data.length) : await readAll(body);
    if (!got.equals(data)) t.fail(`round ${round}`);
    if (kind < 2 && body.trailers.get('x-amz-checksum-crc32') !== 'AAAAAA==') t.fail(`round ${round}: trailer`);
  }
  const byteByByte = Array.from(signedBody(TRAILER), (byte) => Buffer.from([byte]));
  const trial = {
    wire: Buffer.alloc(0),
    decodedBytes: data.length,
    signed: true,
    trailerNames: NAMES,
    pieces: byteByByte,
  };
  t.ok((await readAll(open(trial))).equals(data));
  t.equal((await readAll(open({ wire: plainChunks([], {}), decodedBytes: 0, trailerNames: [] }))).length, 0);
});

t.test('the last byte comes only after the trailer was found right', async (t) => {
  const wire = signedBody(TRAILER);
  wire[wire.length - 6] = wire[wire.length - 6]! ^ 1;
  const body = open({ wire, decodedBytes: data.length, signed: true, trailerNames: NAMES });
  let bytes = 0;
  await t.rejects(
    async () => {
      for (let piece = await body.read(); piece !== undefined; piece = await body.read()) bytes += piece.length;
    },
    { code: 'SignatureDoesNotMatch' },
  );
  t.ok(bytes < data.length);
});

t.test('refuses', async (t) => {
  const plain = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'));
  const cases: readonly (readonly [name: string, trial: Trial, code: string])[] = [
    ['a size that is no number', { wire: plain('x\n'), decodedBytes: 1 }, 'InvalidRequest'],
    ['an empty size', { wire: plain('\n'), decodedBytes: 1 }, 'InvalidRequest'],
    ['a negative size', { wire: plain('-1\n'), decodedBytes: 1 }, 'InvalidRequest'],
    ['a huge size', { wire: plain('ffffffffffffffffff\n'), decodedBytes: 1 }, 'InvalidRequest'],
    ['more than announced', { wire: plain('2\nab\n0\n\n'), decodedBytes: 1 }, 'IncompleteBody'],
    ['less than announced', { wire: plain('2\nab\n0\n\n'), decodedBytes: 3 }, 'IncompleteBody'],
    ['an end in a chunk', { wire: plain('5\nab'), decodedBytes: 5 }, 'IncompleteBody'],
    ['an end before the last chunk', { wire: plain('2\nab\n'), decodedBytes: 2 }, 'IncompleteBody'],
    ['a chunk longer than it says', { wire: plain('2\nabc\n0\n\n'), decodedBytes: 2 }, 'InvalidRequest'],
    ['a lone line feed', { wire: Buffer.from('2\nab\n0\n\n'), decodedBytes: 2 }, 'InvalidRequest'],
    ['an endless line', { wire: Buffer.alloc(1000, '0'), decodedBytes: 2 }, 'InvalidRequest'],
    ['an extension', { wire: plain('2;a=b\nab\n0\n\n'), decodedBytes: 2 }, 'InvalidRequest'],
    ['data after the end', { wire: plain('2\nab\n0\n\nGET /'), decodedBytes: 2 }, 'InvalidRequest'],
    ['no signature', { wire: plain('2\nab\n0\n\n'), decodedBytes: 2, signed: true }, 'InvalidRequest'],
    [
      'an unannounced trailer',
      { wire: plain('2\nab\n0\na:b\n\n'), decodedBytes: 2, trailerNames: [] },
      'MalformedTrailerError',
    ],
    [
      'a missing trailer',
      { wire: plain('2\nab\n0\n\n'), decodedBytes: 2, trailerNames: ['a'] },
      'MalformedTrailerError',
    ],
    [
      'a trailer twice',
      { wire: plain('2\nab\n0\na:b\na:b\n\n'), decodedBytes: 2, trailerNames: ['a'] },
      'MalformedTrailerError',
    ],
    [
      'a huge trailer',
      { wire: plain(`0\na:${'b'.repeat(20_000)}\n\n`), decodedBytes: 0, trailerNames: ['a'] },
      'MalformedTrailerError',
    ],
  ];
  for (const [name, trial, code] of cases) {
    await t.rejects(readAll(open(trial)), { code }, name);
    await t.rejects(open(trial).collect(1_000_000), { code }, `${name} (collected)`);
  }
  const swapped = signedBody();
  swapped[swapped.indexOf(2)] = 9;
  await t.rejects(readAll(open({ wire: swapped, decodedBytes: data.length, signed: true })), {
    code: 'SignatureDoesNotMatch',
  });
  const tiny = signChunks({
    credentials: CREDENTIALS,
    timestamp: TIMESTAMP,
    seed: SEED,
    chunks: [Buffer.alloc(1), Buffer.alloc(1)],
  });
  await t.rejects(readAll(open({ wire: tiny, decodedBytes: 2, signed: true })), { code: 'InvalidChunkSizeError' });
  await t.rejects(open({ wire: signedBody(), decodedBytes: data.length, signed: true }).collect(10), {
    code: 'BodyTooLarge',
  });
});

t.test('reads what one widespread client sends behind the last chunk', async (t) => {
  const unsigned = Buffer.from('2\r\nab\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\n');
  const body = open({ wire: unsigned, decodedBytes: 2, trailerNames: NAMES });
  t.equal((await readAll(body)).toString(), 'ab');
  t.equal(body.trailers.get('x-amz-checksum-crc32'), 'AAAAAA==');
});

t.test('mangled bodies end, and none passes for the original', async (t) => {
  const seed = Number(process.env['SEED'] ?? 31_337);
  t.comment(`seed ${seed}`);
  const random = createSeededRandom(seed);
  const below = (limit: number): number => random.below(limit);
  let accepted = 0;
  for (let round = 0; round < 2000; round++) {
    const isSigned = below(2) === 0;
    const original = isSigned ? signedBody(TRAILER) : plainChunks(chunks, TRAILER);
    const wire = mangle(original, below);
    const trial = {
      wire,
      decodedBytes: data.length,
      signed: isSigned,
      trailerNames: NAMES,
      pieces: cut(wire, below(6), below),
    };
    const body = open(trial);
    try {
      const got = await readAll(body);
      accepted++;
      if (got.length !== data.length) t.fail(`round ${round}: wrong length`);
      const same = got.equals(data) && body.trailers.get('x-amz-checksum-crc32') === 'AAAAAA==';
      if (isSigned && !same) t.fail(`round ${round}: a signed body was altered`);
    } catch (error) {
      if (typeof (error as { code?: unknown }).code !== 'string') t.fail(`round ${round}: ${error}`);
    }
  }
  t.comment(`${accepted} of 2,000 were still well-formed`);
  t.pass('all ended');
});

function mangle(original: Buffer, below: (limit: number) => number): Buffer {
  const wire = Buffer.from(original);
  const at = below(4) === 0 ? below(wire.length) : below(120);
  switch (below(5)) {
    case 0:
      wire[at] = below(256);
      return wire;
    case 1:
      return wire.subarray(0, at);
    case 2:
      return Buffer.concat([wire.subarray(0, at), wire.subarray(at + 1 + below(4))]);
    case 3:
      return Buffer.concat([wire.subarray(0, at), Buffer.from('\r\n0;\r\n'.slice(below(6))), wire.subarray(at)]);
    default:
      return Buffer.concat([wire, wire.subarray(0, at)]);
  }
}
