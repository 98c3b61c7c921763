// TLS by pre-shared key and by certificate, our ends with each other and with the system's tools.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { systemRandom } from '../../fabric/random.ts';
import { NbdBed } from '../../test/nbd-bed.ts';
import { missing } from '../../test/tools.ts';
import { type NbdDevice, type NbdPeer, nbdFaults } from './contract.ts';
import { MemoryDevice } from './memory-device.ts';

t.setTimeout(60_000);
const MIB = 1024 * 1024;

function pskServer(bed: NbdBed) {
  const key = systemRandom.bytes(32);
  writeFileSync(bed.file('keys.psk'), `alice:${key.toString('hex')}\n`);
  const sharedKey = (identity: string) => (identity === 'alice' ? key : undefined);
  return { key, tls: { role: 'server', sharedKey } as const };
}

t.test('a shared key: whoever has it is known by name, nobody else gets in', async (t) => {
  const bed = NbdBed.for(t);
  const { key, tls } = pskServer(bed);
  const peers: NbdPeer[] = [];
  const device: NbdDevice = new MemoryDevice(32 * MIB);
  const permits = (_name: string, peer: NbdPeer) => peers.push(peer) > 0;
  const exports = { names: () => ['vol'], open: () => device, permits };
  const server = await bed.serve({}, { tls, exports });
  const sharedKey = { identity: 'alice', key };
  const client = await bed.connect(server.endpoint, { tls: { role: 'client', sharedKey }, connections: 2 });
  t.match(peers[0], { identity: 'alice' });
  const bytes = systemRandom.bytes(9 * MIB);
  await client.write(100, bytes);
  t.ok((await client.read(100, bytes.length)).equals(bytes));
  await t.rejects(bed.connect(server.endpoint), { code: nbdFaults.refused, details: { reason: 'tlsRequired' } });
  for (const wrong of [
    { identity: 'bob', key },
    { identity: 'alice', key: systemRandom.bytes(32) },
  ])
    await t.rejects(bed.connect(server.endpoint, { tls: { role: 'client', sharedKey: wrong } }), {
      code: nbdFaults.disconnected,
    });
  const plain = await bed.serve({ '': device });
  await t.rejects(bed.connect(plain.endpoint, { tls: { role: 'client', sharedKey } }), {
    code: nbdFaults.refused,
    details: { reason: 'tls' },
  });
});

t.test(
  'nbdinfo, nbdcopy and qemu-img with a shared key',
  { skip: missing('nbdcopy') || missing('qemu-img') },
  async (t) => {
    const bed = NbdBed.for(t);
    const { tls } = pskServer(bed);
    const server = await bed.serve({ vol: new MemoryDevice(8 * MIB) }, { tls });
    const { path } = server.endpoint as { path: string };
    const uri = `nbds+unix://alice@/vol?socket=${path}&tls-psk-file=${bed.file('keys.psk')}`;
    t.match(JSON.parse(await bed.must('nbdinfo', '--json', uri)), { TLS: true });
    writeFileSync(bed.file('raw'), systemRandom.bytes(8 * MIB));
    await bed.must('nbdcopy', bed.file('raw'), uri);
    await bed.must('nbdcopy', uri, bed.file('back'));
    t.ok(readFileSync(bed.file('back')).equals(readFileSync(bed.file('raw'))));
    const secret = `tls-creds-psk,id=t,endpoint=client,dir=${bed.folder},username=alice`;
    const image = `driver=nbd,server.type=unix,server.path=${path},export=vol,tls-creds=t`;
    const check = [
      'compare',
      '--object',
      secret,
      '--image-opts',
      `driver=raw,file.driver=file,file.filename=${bed.file('raw')}`,
    ];
    await bed.must('qemu-img', ...check, image);
  },
);

t.test(
  'nbdkit and the storage daemon with a shared key',
  { skip: missing('nbdkit') || missing('qemu-storage-daemon') },
  async (t) => {
    const bed = NbdBed.for(t);
    const { key } = pskServer(bed);
    const tls = { role: 'client', sharedKey: { identity: 'alice', key } } as const;
    const { endpoint } = await bed.nbdkit('--tls=require', `--tls-psk=${bed.file('keys.psk')}`, 'memory', '16M');
    const path = bed.socket();
    const creds = ['--object', `tls-creds-psk,id=t,endpoint=server,dir=${bed.folder}`];
    const node = [
      '--blockdev',
      'driver=null-co,size=16777216,read-zeroes=on,node-name=v',
      '--export',
      'type=nbd,id=e,node-name=v,name=,writable=on',
    ];
    const listen = `addr.type=unix,addr.path=${path},tls-creds=t`;
    await bed.daemon(
      path,
      'qemu-storage-daemon',
      ...creds,
      ...node.slice(0, 2),
      '--nbd-server',
      listen,
      ...node.slice(2),
    );
    const client = await bed.connect(endpoint, { tls });
    await client.write(5, Buffer.alloc(MIB, 4));
    t.equal((await client.read(5, MIB))[MIB - 1], 4);
    const daemon = await bed.connect({ path }, { tls });
    t.equal((await daemon.read(0, MIB)).length, MIB);
  },
);

t.test('certificates, of the server and of the client', { skip: missing('openssl') }, async (t) => {
  const bed = NbdBed.for(t);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: bed.folder, stdio: 'pipe', timeout: 10_000 });
  mkdirSync(bed.file('x509'));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test Authority');
  for (const [name, san] of [
    ['server', 'DNS:disk.example'],
    ['guest', 'DNS:guest.example'],
  ] as const) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(bed.file('san'), `subjectAltName=${san}\n`);
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
      '-days',
      '2',
      '-extfile',
      'san',
    );
  }
  const read = (name: string) => readFileSync(bed.file(name));
  const pair = (name: string) => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) });
  const peers: NbdPeer[] = [];
  const exports = {
    names: () => [],
    open: () => new MemoryDevice(MIB),
    permits: (_: string, peer: NbdPeer) => peers.push(peer) > 0,
  };
  const tls = { role: 'server', certificate: pair('server'), clientAuthority: read('ca.pem') } as const;
  const server = await bed.serve({}, { tls, exports });
  const known = {
    role: 'client',
    authority: read('ca.pem'),
    serverName: 'disk.example',
    certificate: pair('guest'),
  } as const;
  const client = await bed.connect(server.endpoint, { tls: known });
  t.equal((await client.read(0, MIB)).length, MIB);
  t.match(peers[0], { identity: 'guest' });
  const { certificate: _, ...anonymous } = known;
  const { authority: __, ...unsure } = known;
  for (const bad of [anonymous, unsure, { ...known, serverName: 'other.example' }])
    await t.rejects(bed.connect(server.endpoint, { tls: bad, connectTimeoutMs: 5_000 }), {
      code: nbdFaults.disconnected,
    });
});
