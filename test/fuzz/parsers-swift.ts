/** What Swift reads: manifests, archives, ranges, forms, ACLs, dates, Accept headers and addresses. */
import assert from 'node:assert';
import { gzipSync } from 'node:zlib';
import { isFault } from '../../fabric/errors.ts';
import { isInIpRange } from '../../fabric/ip-range.ts';
import type { Random } from '../../fabric/random.ts';
import { readForm } from '../../proxy/form-body.ts';
import { formatHttpDate, parseHttpDate } from '../../proxy/http-date.ts';
import { parseRange } from '../../proxy/http-range.ts';
import { cleanAccountAcl } from '../../proxy/swift/account-acl.ts';
import { cleanAcl } from '../../proxy/swift/acl.ts';
import { readArchive } from '../../proxy/swift/archive.ts';
import { swiftFaults } from '../../proxy/swift/faults.ts';
import { acceptedType } from '../../proxy/swift/listing-format.ts';
import { parseManifest } from '../../proxy/swift/slo-manifest.ts';
import { bodyOf } from '../s3-signer.ts';
import { makeTar, paxMember } from '../tar-maker.ts';
import type { FuzzParser, FuzzTarget } from './contract.ts';
import { pick } from './mutate.ts';

const SWIFT_CODES: ReadonlySet<string> = new Set(Object.values(swiftFaults));
const simple = (name: string, target: Omit<FuzzTarget, 'name'>): FuzzParser => ({
  name,
  open: () => ({ name, ...target }),
});

const slo = simple('slo-manifest', {
  seeds: [
    '[{"path":"/c/o"}]',
    '[{"path":"/c/o","etag":"d41d8cd98f00b204e9800998ecf8427e","size_bytes":5,"range":"0-3"},{"data":"eA=="},{"path":"c/ü"}]',
    '[{"path":"/c/o","size_bytes":null,"etag":null,"range":"-1"}]',
  ],
  words: ['"path"', '"data"', '"size_bytes"', '"etag"', '"range"', '/c/o', 'eA=='],
  codes: SWIFT_CODES,
  run(input) {
    const segments = parseManifest(input, '/c/self');
    const text = JSON.stringify(
      segments.map((one) =>
        'data' in one
          ? { data: one.data.toString('base64') }
          : { path: one.path, etag: one.etag, size_bytes: one.sizeBytes, range: one.range },
      ),
    );
    assert.deepStrictEqual(parseManifest(Buffer.from(text), '/c/self'), segments, 'written and read again');
  },
});

const MEMBER_BYTES_MAX = 1024 * 1024;

const members = [
  { name: 'dir/', type: '5' },
  { name: 'a.txt', body: 'of a' },
  { name: 'link', type: '2', link: 'a.txt' },
  paxMember({ 'SCHILY.xattr.user.meta.colour': 'blue', path: 'ü/b' }),
  { name: 'b', body: Buffer.alloc(3000, 'b') },
];

/** Every file of it, read to its end. */
async function unpack(archive: Buffer, packing: 'tar' | 'tar.gz'): Promise<[string, number][]> {
  const found: [string, number][] = [];
  for await (const { name, body } of readArchive(bodyOf(archive.length === 0 ? [] : [archive]), packing)) {
    let bytes = 0;
    for (let piece = await body.read(); piece; piece = await body.read()) bytes += piece.length;
    found.push([name, bytes]);
  }
  return found;
}

function tarParser(packing: 'tar' | 'tar.gz'): FuzzParser {
  const pack = (bytes: Buffer): Buffer => (packing === 'tar' ? bytes : gzipSync(bytes, { level: 1 }));
  const make = (random: Random): Buffer =>
    pack(
      makeTar(
        Array.from({ length: random.below(4) }, (_, i) => ({
          name: `${i}${pick(random, ['', '/x', '/../y'])}`,
          body: random.bytes(random.below(2000)),
        })),
      ),
    );
  return simple(packing, {
    seeds: [
      pack(makeTar(members)),
      pack(makeTar([{ name: 'a', body: '' }])),
      pack(Buffer.alloc(0)),
      pack(makeTar([{ name: 's', size: '\x80\0\0\0\0\0\0\0\0\0\0\x05', body: 'hello' }])),
    ],
    words: ['ustar', '0000644\0', '\x80', '\xff\xff', '30 path=../x\n', '99999999999\0'],
    make,
    codes: SWIFT_CODES,
    async run(input) {
      try {
        for (const [name, bytes] of await unpack(input, packing)) {
          assert.ok(bytes <= MEMBER_BYTES_MAX || packing === 'tar.gz', `no more than there is: ${name}`);
        }
      } catch (error) {
        // What its reader throws is about the archive, and the caller tells so: plain errors with a text.
        if (isFault(error) || !(error instanceof Error) || error instanceof TypeError || error instanceof RangeError)
          throw error;
        assert.notEqual(error.name, 'AssertionError', error.message);
        return 'not an archive';
      }
      return 'value';
    },
  });
}

const range = simple('range', {
  seeds: ['bytes=0-', 'bytes=-5', 'bytes=0-0,2-3, 5-', 'bytes=9-1', 'bits=0-1', 'Bytes=1-2'],
  words: ['bytes=', '-', ',', '0-0,', '9007199254740993', ' '],
  codes: new Set(),
  run(input) {
    const text = input.toString('latin1');
    for (const size of [0, 1, 10, 2 ** 53 - 1]) {
      const outcome = parseRange(text, size);
      if (typeof outcome === 'string') continue;
      for (const { offset, length } of outcome) {
        assert.ok(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length > 0, 'numbers');
        assert.ok(offset >= 0 && offset + length <= size, 'within the object');
      }
    }
  },
});

const part = (name: string, value: string, more = ''): string =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;

const form = simple('multipart-form', {
  seeds: [
    `${part('a', 'b')}${part('file', 'body', '; filename="f"')}--b--\r\n`,
    `${part('file', 'x'.repeat(9000), '; filename="f"')}${part('later', 'y')}--b--\r\n`,
    '--b--\r\n',
  ],
  words: [
    '--b',
    '\r\n--b--',
    'name=""',
    "filename*=utf-8''%ff",
    'Content-Type: multipart/form-data; boundary=b',
    '\r\n\r\n',
  ],
  codes: SWIFT_CODES,
  async run(input) {
    const type =
      input.length % 5 > 0
        ? 'multipart/form-data; boundary=b'
        : `multipart/form-data; boundary=${input
            .subarray(0, 50)
            .toString('latin1')
            .replace(/[\r\n]/g, '')}`;
    try {
      for await (const one of readForm(bodyOf(input.length === 0 ? [] : [input]), type)) {
        if ('read' in one) while ((await one.read()) !== undefined);
        else assert.ok(one.value.length <= 4096, 'fields are cut');
      }
    } catch (error) {
      if (
        !(error instanceof Error) ||
        error instanceof TypeError ||
        error instanceof RangeError ||
        error.name === 'AssertionError'
      )
        throw error;
      return 'not a form';
    }
    return 'value';
  },
});

const acl = simple('swift-acl', {
  seeds: [
    '.r:*,.rlistings',
    ' .referrer : *.example.com , bob:x',
    '.r:-a.b,AUTH_x:*',
    '{"admin":["a"],"read-write":["b"],"read-only":[]}',
  ],
  words: ['.r:', '.rlistings', ',', ':', '-', '*', '"admin"', '[]'],
  codes: SWIFT_CODES,
  run(input) {
    const text = input.toString('latin1');
    if (text.startsWith('{')) {
      const cleaned = cleanAccountAcl(text);
      assert.equal(cleanAccountAcl(cleaned), cleaned, 'cleaned once is clean');
      return 'account';
    }
    // One star goes each time, as in Swift: cleaned once is an ACL, not always the same one.
    cleanAcl('X-Container-Read', cleanAcl('X-Container-Read', text));
    return 'value';
  },
});

const headers = simple('small-headers', {
  seeds: [
    'application/json;q=0.5, text/*, */*;q=0',
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    '10.0.0.0/8',
    '::ffff:1.2.3.4/128',
  ],
  words: ['q=', '*/*', ';', ',', 'GMT', '/', '::', 'charset="'],
  codes: SWIFT_CODES,
  run(input) {
    const text = input.toString('latin1');
    acceptedType(text);
    isInIpRange('10.1.2.3', text);
    isInIpRange('::1', text);
    const date = parseHttpDate(text);
    if (date !== undefined && date >= 0)
      assert.equal(parseHttpDate(formatHttpDate(date)), date, 'a date is the same again');
  },
});

export const SWIFT_PARSERS: readonly FuzzParser[] = [
  slo,
  tarParser('tar'),
  tarParser('tar.gz'),
  range,
  form,
  acl,
  headers,
];
