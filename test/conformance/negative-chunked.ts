/** aws-chunked bodies that lie: about lengths, signatures, trailers and their own end. Nothing of them may become an object. */
import type { Test } from 'tap';
import { plainChunks, sha256Hex, signChunks, signHeaders } from '../s3-signer.ts';
import { answerSoon, exchange, type Negative, type NegativeSuite, namesIn } from './negative-rig.ts';
import { amzNow, type S3Client } from './s3-rig.ts';

const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const SIGNED_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER';
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
const CRC_OF_HELLO = 'NhCmhg==';
const CHUNK_BYTES = 8192;

interface Upload {
  readonly payload: string;
  readonly decodedBytes: number | string;
  readonly trailer?: string;
  readonly make: (seed: { signature: string; timestamp: string }) => Buffer;
  /** As the head says; the true one when absent. */
  readonly lengthBytes?: number;
}

/** The head, signed, and the body, as bytes for a socket. */
function compose(s3: S3Client, path: string, { payload, decodedBytes, trailer, make, lengthBytes }: Upload): Buffer {
  const timestamp = amzNow();
  const named: Record<string, string> = {
    host: s3.host,
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(decodedBytes),
    ...(trailer === undefined ? {} : { 'x-amz-trailer': trailer }),
  };
  const credentials = { ...s3.owner, region: s3.region };
  const headers = signHeaders(credentials, { method: 'PUT', path, headers: named, payload, timestamp });
  const signature = /Signature=(\w+)/.exec(headers['authorization'] as string)?.[1] as string;
  const body = make({ signature, timestamp });
  const lines = Object.entries({ ...headers, 'content-length': String(lengthBytes ?? body.length) });
  const head = `PUT ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

interface Case {
  readonly what: string;
  readonly upload: Upload;
  readonly expected: RegExp;
}

async function tryAll({ t, s3, ports, ...rig }: Negative, cases: readonly Case[]): Promise<void> {
  const { bucket } = rig;
  for (const [where, port] of Object.entries(ports)) {
    for (const { what, upload, expected } of cases) {
      const got = await exchange(port, compose(s3, `/${bucket}/new`, upload), 'PUT');
      const code = /<Code>(\w+)<\/Code>/.exec(got.body.toString())?.[1];
      t.match(`${got.status} ${code}`, expected, `${what}, ${where}`);
    }
  }
  await nothingNew(t, rig, bucket);
}

async function nothingNew(t: Test, rig: Pick<Negative, 'swift'>, bucket: string): Promise<void> {
  t.same(await namesIn(rig, bucket), ['safe'], 'nothing was written');
}

const plain = (text: string | Buffer, decodedBytes: number | string, lengthBytes?: number): Upload => ({
  payload: UNSIGNED_TRAILER,
  decodedBytes,
  trailer: 'x-amz-checksum-crc32',
  make: () => Buffer.from(text as string, 'latin1'),
  ...(lengthBytes === undefined ? {} : { lengthBytes }),
});

const MALFORMED = /^400 (InvalidRequest|IncompleteBody|MalformedTrailerError)$/;
const CRC = `x-amz-checksum-crc32:${CRC_OF_HELLO}\r\n`;

export const chunked: NegativeSuite = {
  'bodies whose lengths lie': async (rig) => {
    const whole = `5\r\nhello\r\n0\r\n${CRC}\r\n`;
    await tryAll(rig, [
      { what: 'more announced', upload: plain(whole, 6), expected: /^400 IncompleteBody$/ },
      { what: 'less announced', upload: plain(whole, 4), expected: /^400 IncompleteBody$/ },
      { what: 'nothing announced', upload: plain(whole, 0), expected: /^400 IncompleteBody$/ },
      { what: 'not a number', upload: plain(whole, '5e0'), expected: /^400 InvalidArgument$/ },
      { what: 'negative', upload: plain(whole, '-5'), expected: /^400 InvalidArgument$/ },
      { what: 'beyond all numbers', upload: plain(whole, '9'.repeat(16)), expected: /^400 InvalidArgument$/ },
      { what: 'too large', upload: plain(whole, 6 * 1024 ** 3), expected: /^400 EntityTooLarge$/ },
      { what: 'a chunk of 16 digits', upload: plain('ffffffffffffffff\r\nhello', 5), expected: MALFORMED },
      { what: 'a chunk of 12 digits', upload: plain('ffffffffffff\r\nhello', 5), expected: MALFORMED },
      { what: 'a negative chunk', upload: plain('-5\r\nhello\r\n0\r\n\r\n', 5), expected: MALFORMED },
      { what: 'a chunk in 0x', upload: plain('0x5\r\nhello\r\n0\r\n\r\n', 5), expected: MALFORMED },
      { what: 'a chunk longer than it says', upload: plain('4\r\nhello\r\n0\r\n\r\n', 5), expected: MALFORMED },
      { what: 'a chunk shorter than it says', upload: plain('6\r\nhello\r\n0\r\n\r\n', 5), expected: MALFORMED },
      { what: 'no chunk at all', upload: plain('hello', 5), expected: MALFORMED },
      { what: 'no last chunk', upload: plain('5\r\nhello\r\n', 5), expected: MALFORMED },
      { what: 'cut within a chunk', upload: plain('5\r\nhel', 5), expected: MALFORMED },
      { what: 'an extension', upload: plain(`5;a=b\r\nhello\r\n0\r\n${CRC}\r\n`, 5), expected: MALFORMED },
      { what: 'a long head', upload: plain(`5;${'a'.repeat(100_000)}\r\nhello`, 5), expected: MALFORMED },
      { what: 'lone LF', upload: plain(`5\nhello\n0\n${CRC}\n`, 5), expected: MALFORMED },
      { what: 'zeros', upload: plain(`${'0'.repeat(200)}5\r\nhello\r\n0\r\n${CRC}\r\n`, 5), expected: MALFORMED },
      { what: 'empty', upload: plain('', 0), expected: MALFORMED },
    ]);
  },

  'bodies that never end': async (rig) => {
    const { t, s3, ports, bucket } = rig;
    const endless = {
      what: 'the end, again and again',
      upload: plain('0\r\n\r\n'.repeat(50_000), 0),
      expected: MALFORMED,
    };
    const trailers = {
      what: 'trailers without end',
      upload: plain(`5\r\nhello\r\n0\r\n${CRC.repeat(5000)}\r\n`, 5),
      expected: MALFORMED,
    };
    const ones = Array.from({ length: 20_000 }, () => '1\r\na\r\n').join('');
    const small = { what: 'no last of 20,000', upload: plain(ones, 20_000), expected: MALFORMED };
    await tryAll(rig, [endless, trailers, small]);
    // A head promises more than ever comes: whoever waits must let go when the client does.
    for (const port of Object.values(ports)) {
      const bytes = compose(s3, `/${bucket}/new`, plain(`5\r\nhello\r\n`, 5, 1_000_000));
      t.equal(await answerSoon(port, bytes), '', 'no answer while the body may still come');
    }
    await nothingNew(t, rig, bucket);
  },

  'chunks that somebody else signed': async (rig) => {
    const { s3 } = rig;
    const credentials = { ...s3.owner, region: s3.region };
    const data = Buffer.alloc(CHUNK_BYTES, 'a');
    const made =
      (chunks: readonly Buffer[], change: (text: string) => string, trailers?: Record<string, string>) =>
      ({ signature, timestamp }: { signature: string; timestamp: string }): Buffer => {
        const body = signChunks({ credentials, timestamp, seed: signature, chunks, ...(trailers && { trailers }) });
        return Buffer.from(change(body.toString('latin1')), 'latin1');
      };
    const signed = (change: (text: string) => string): Upload => ({
      payload: SIGNED,
      decodedBytes: 2 * CHUNK_BYTES,
      make: made([data, data], change),
    });
    const zero = '0'.repeat(64);
    const no = /^403 SignatureDoesNotMatch$/;
    const trailing = (change: (text: string) => string): Upload => ({
      payload: SIGNED_TRAILER,
      decodedBytes: 5,
      trailer: 'x-amz-checksum-crc32',
      make: made([Buffer.from('hello')], change, { 'x-amz-checksum-crc32': CRC_OF_HELLO }),
    });
    await tryAll(rig, [
      { what: 'the first', upload: signed((text) => text.replace(/signature=\w+/, `signature=${zero}`)), expected: no },
      {
        what: 'the last',
        upload: signed((text) => text.replace(/0;chunk-signature=\w+/, `0;chunk-signature=${zero}`)),
        expected: no,
      },
      { what: 'one bit', upload: signed((text) => text.replace('\r\na', '\r\nb')), expected: no },
      { what: 'no signature', upload: signed((text) => text.replace(/;chunk-signature=\w+/, '')), expected: MALFORMED },
      { what: 'empty', upload: signed((text) => text.replace(/(;chunk-signature=)\w+/, '$1')), expected: no },
      {
        what: 'left out',
        upload: signed((text) => text.slice(text.indexOf('\r\n2000;') + 2)),
        expected: /^40[03] \w+/,
      },
      {
        what: 'the same twice',
        upload: signed((text) => text.replace(/^(.*?\r\n.{8192}\r\n).*?\r\n/s, '$1$1')),
        expected: /^40[03] \w+/,
      },
      {
        what: 'too small',
        upload: {
          payload: SIGNED,
          decodedBytes: 30,
          make: made(
            [1, 2, 3].map(() => Buffer.alloc(10)),
            (text) => text,
          ),
        },
        expected: /^40[03] InvalidChunkSizeError$/,
      },
      {
        what: 'a trailer without a signature',
        upload: trailing((text) => text.replace(/x-amz-trailer-signature.*?\r\n/, '')),
        expected: no,
      },
      {
        what: 'a trailer with another value',
        upload: trailing((text) => text.replace(CRC_OF_HELLO, 'AAAAAA==')),
        expected: no,
      },
      {
        what: 'a trailer more',
        upload: trailing((text) => text.replace('x-amz-c', 'x-amz-meta-a:b\r\nx-amz-c')),
        expected: MALFORMED,
      },
      {
        what: 'the trailer left out',
        upload: trailing((text) => text.replace(/x-amz-checksum.*?\r\n/, '')),
        expected: MALFORMED,
      },
    ]);
  },

  'trailers that are not true': async (rig) => {
    const good = plainChunks([Buffer.from('hello')], { 'x-amz-checksum-crc32': CRC_OF_HELLO }).toString('latin1');
    const other = (trailer: string, text = good): Upload => ({ ...plain(text, 5), trailer });
    await tryAll(rig, [
      { what: 'another sum', upload: plain(good.replace(CRC_OF_HELLO, 'AAAAAA=='), 5), expected: /^400 BadDigest$/ },
      { what: 'no base64', upload: plain(good.replace(CRC_OF_HELLO, '\x01%%'), 5), expected: /^400 InvalidRequest$/ },
      { what: 'not announced', upload: other(''), expected: MALFORMED },
      { what: 'not a checksum', upload: other('x-amz-meta-a'), expected: /^400 InvalidRequest$/ },
      { what: 'seventeen', upload: other(Array.from({ length: 17 }, (_, i) => `x${i}`).join()), expected: MALFORMED },
      { what: 'the same twice', upload: other('x-amz-checksum-crc32,x-amz-checksum-crc32'), expected: MALFORMED },
      { what: 'two sums', upload: other('x-amz-checksum-crc32,x-amz-checksum-sha1'), expected: /^400 InvalidRequest$/ },
      { what: 'a way out', upload: plain(good.replace('x-amz', '../x-amz'), 5), expected: MALFORMED },
      {
        what: 'chunks under the name of a digest',
        upload: { ...plain(good, 5), payload: sha256Hex('hello') },
        expected: /^400 (XAmzContentSHA256Mismatch|InvalidRequest)$/,
      },
      {
        what: 'ECDSA',
        upload: { ...plain(good, 5), payload: 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD' },
        expected: /^501 NotImplemented$/,
      },
      { what: 'unheard of', upload: { ...plain(good, 5), payload: 'STREAMING-NOTHING' }, expected: /^400 / },
    ]);
  },
};
