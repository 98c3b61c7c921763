/** Bulk upload: archives become objects, and hostile ones do no harm. */
import { gzipSync } from 'node:zlib';
import { systemRandom } from '../../fabric/random.ts';
import type { Answer, Rig, SwiftSuite } from './swift-rig.ts';

interface File {
  readonly name: string;
  readonly body?: string | Buffer;
  /** `0` is a file, `5` a folder, `2` a link, `x` extended headers. */
  readonly type?: string;
}

const BLOCK = 512;

function header(name: string, size: number, type: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, 'latin1');
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function tar(files: readonly File[]): Buffer {
  const blocks = files.flatMap(({ name, body = '', type = '0' }) => {
    const bytes = Buffer.from(body as string, 'utf8');
    return [header(name, bytes.length, type), bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(BLOCK * 2)]);
}

/** Extended attributes of the file that follows. */
function pax(attributes: Readonly<Record<string, string>>): File {
  const body = Object.entries(attributes).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 2;
    if (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return `${length}${rest}`;
  });
  return { name: 'pax', type: 'x', body: body.join('') };
}

/** `one.txt` and 140,000 bytes of `sub/two.txt`, in two bzip2 streams one after the other, as several programs write. */
const PACKED = Buffer.from(
  [
    'QlpoOTFBWSZTWXKdEekABhTbgOmAQAH/gAIgfyGewAhIIACVBKghpoDQaZAABFRQZBoGQYT1MZSRwCkdgBz6SKyJA7V8iBUBACBeKisscHExQk',
    'QMEgghFYgfIi1UGRWKIvlMmNGpB505VFfwAq5qorPPyAKuuiqK/NDWq8VFZWFKFjOZGha3B/F3JFOFCQcp0R6QQlpoOTFBWSZTWddGixwAJijR',
    'gMAASAAOAYgAAAggAHBADAKVTRkepla0LcKCjzXIUFHsKCjIUFGQoKMhQUfQoKOV+LuSKcKEhro0WOA=',
  ].join(''),
  'base64',
);

interface Report {
  readonly created: number;
  readonly status: string;
  readonly text: string;
  readonly errors: readonly [string, string][];
}

async function send({ client }: Rig, path: string, body: Buffer, more: { chunked?: boolean } = {}): Promise<Report> {
  const got = await client.ask('PUT', path, { body, headers: { Accept: 'application/json' }, ...more });
  if (got.status !== 200) throw new Error(`${got.status} ${got.text}`);
  const report = JSON.parse(got.text);
  return {
    created: report['Number Files Created'],
    status: report['Response Status'],
    text: report['Response Body'],
    errors: report['Errors'],
  };
}

export const archives: SwiftSuite = {
  'the files of an archive become objects': async (rig) => {
    const { t, client, c } = rig;
    const large = Buffer.alloc(300_000, 'large ');
    const files: File[] = [
      { name: 'dir/', type: '5' },
      { name: 'dir/a.txt', body: 'of a' },
      { name: './b.json', body: '' },
      { name: '/c', body: large },
      { name: 'link', type: '2' },
      pax({ 'SCHILY.xattr.user.mime_type': 'x/y', 'SCHILY.xattr.user.meta.colour': 'blue' }),
      { name: 'd', body: 'd' },
    ];
    for (const [format, pack] of [
      ['tar', Buffer.from],
      ['tar.gz', gzipSync],
    ] as const) {
      for (const chunked of [false, true]) {
        const below = `${c}/${format}-${chunked}`;
        const report = await send(rig, `${below}?extract-archive=${format}`, pack(tar(files) as never) as Buffer, {
          chunked,
        });
        t.match(report, { created: 4, status: '201 Created', errors: [] }, below);
        t.equal((await client.ask('GET', `${below}/dir/a.txt`)).text, 'of a');
        t.ok((await client.ask('GET', `${below}/c`)).body.equals(large));
        t.equal((await client.ask('HEAD', `${below}/b.json`)).headers['content-type'], 'application/json');
        const d = (await client.ask('HEAD', `${below}/d`)).headers;
        t.match([d['content-type'], d['x-object-meta-colour']], ['x/y', 'blue']);
        t.equal((await client.ask('HEAD', `${below}/link`)).status, 404);
      }
    }
  },

  'containers are made as they are met': async (rig) => {
    const { t, client, c } = rig;
    const files = [{ name: `${c.slice(1)}-new/o`, body: 'x' }, { name: `${c.slice(1)}-new/p` }, { name: 'top' }];
    t.match(await send(rig, '?extract-archive=tar', tar(files)), { created: 2, status: '201 Created' });
    t.equal((await client.ask('GET', `${c}-new/o`)).text, 'x');
    await send(rig, `${c}-two?extract-archive=tar`, tar([{ name: 'o', body: 'y' }]));
    t.equal((await client.ask('GET', `${c}-two/o`)).text, 'y');
  },

  'names that climb, and what is no archive, are refused': async (rig) => {
    const { t, client, c } = rig;
    const path = `${c}?extract-archive=tar`;
    const climbing = await send(
      rig,
      path,
      tar([{ name: '../../o', body: 'x' }, { name: 'a/../b', body: 'x' }, { name: 'ok' }]),
    );
    t.match(climbing, { created: 1, status: '400 Bad Request' });
    t.match(
      climbing.errors.map(([, status]) => status),
      ['412 Precondition Failed', '412 Precondition Failed'],
    );
    t.equal((await client.ask('GET', c)).text, 'ok\n');
    t.match(await send(rig, path, tar([{ name: '\xff\xfe', body: 'x' }])), { created: 0, status: '400 Bad Request' });
    t.match(await send(rig, path, tar([])), { text: 'Invalid Tar File: No Valid Files' });
    t.match(await send(rig, path, tar([{ name: 'cut', body: 'x'.repeat(2000) }]).subarray(0, 1100)), {
      created: 0,
      text: /^Invalid Tar File/,
    });
    t.match(await send(rig, path, Buffer.alloc(2000, 'no archive ')), { created: 0, text: /^Invalid Tar File/ });
    t.match(await send(rig, `${c}?extract-archive=tar.gz`, Buffer.alloc(2000, 'x')), { text: /^Invalid Tar File/ });
    t.match(await send(rig, path, Buffer.alloc(0)), { status: '411 Length Required' });
    for (const format of ['tar.xz', 'zip', '']) {
      t.equal((await client.ask('PUT', `${c}?extract-archive=${format}`, { body: tar([]) })).status, 400, format);
    }
    const split = pax({ 'SCHILY.xattr.user.mime_type': 'a\r\nX-Injected: 1' });
    t.match(await send(rig, path, tar([split, { name: 'injected', body: 'x' }])), {
      created: 0,
      status: '400 Bad Request',
    });
    t.equal((await client.ask('HEAD', `${c}/injected`)).status, 404);
  },

  'who may not write makes nothing': async (rig) => {
    const { t, client, stranger, anonymous, server, c } = rig;
    const body = tar([{ name: 'o', body: 'x' }]);
    const target = `${client.base}${c}?extract-archive=tar`;
    const said = ({ text }: Answer): string => text.split('\n')[2] as string;
    t.equal(said(await anonymous.raw('PUT', target, { body })), 'Response Status: 401 Unauthorized');
    const headers = { 'X-Auth-Token': stranger.token };
    t.equal(said(await stranger.raw('PUT', target, { body, headers })), 'Response Status: 403 Forbidden');
    await client.ask('POST', c, { headers: { 'X-Container-Write': server.stranger.user } });
    t.equal(said(await stranger.raw('PUT', target, { body, headers })), 'Response Status: 201 Created');
    const xml = await client.ask('PUT', `${c}?extract-archive=tar`, { body, headers: { Accept: 'text/xml' } });
    t.match(xml.text, '<extract>\n<number_files_created>1</number_files_created>');
    const info = JSON.parse((await client.raw('GET', '/info')).text);
    t.same(info.bulk_upload, { max_containers_per_extraction: 10_000, max_failed_extractions: 1000 });
  },

  'damaged archives never break the server': async (rig) => {
    const { t, client, c } = rig;
    const whole = tar([
      { name: 'a', body: 'x'.repeat(700) },
      pax({ 'SCHILY.xattr.user.meta.a': 'b' }),
      { name: 'b', body: 'y' },
    ]);
    const packed = gzipSync(whole);
    for (let round = 0; round < 60; round++) {
      const [format, bytes] = round % 2 === 0 ? ['tar', Buffer.from(whole)] : ['tar.gz', Buffer.from(packed)];
      const at = systemRandom.below(bytes.length);
      const value = systemRandom.below(256);
      bytes[at] = value;
      const cut = round % 3 === 0 ? bytes.subarray(0, systemRandom.below(bytes.length)) : bytes;
      const got = await client.ask('PUT', `${c}?extract-archive=${format}`, { body: cut });
      t.equal(got.status, 200, `${format}, byte ${at} is ${value}, ${cut.length} bytes`);
    }
  },

  'an archive in bzip2': async (rig) => {
    const { t, client, c } = rig;
    const path = `${c}?extract-archive=tar.bz2`;
    t.match(await send(rig, path, PACKED), { created: 2, status: '201 Created' });
    t.equal((await client.ask('GET', `${c}/one.txt`)).text, 'first');
    t.equal((await client.ask('GET', `${c}/sub/two.txt`)).text, 'second '.repeat(20_000));
    const damaged = Buffer.from(PACKED);
    damaged[100] = (damaged[100] as number) ^ 0xff;
    t.match(await send(rig, path, damaged), { status: '400 Bad Request' });
    t.match(await send(rig, path, PACKED.subarray(0, 200)), { status: '400 Bad Request' });
    t.match(await send(rig, path, Buffer.from('no archive at all')), { status: '400 Bad Request' });
  },
};
