import t from 'tap';
import { createSeededRandom } from '../random.ts';
import { ClientHandshake, type HandshakeStep, ServerHandshake } from './handshake.ts';
import { frameHello, HELLO_BYTES_MAX, helloTypes, unframeHello } from './hello-format.ts';

const common = { clusterId: 'cluster', secret: 'secret', random: createSeededRandom(7) };
const client = (secret = 'secret'): ClientHandshake =>
  new ClientHandshake({ ...common, name: 'front', secret }, 'store');
const server = (secret = 'secret'): ServerHandshake => new ServerHandshake({ ...common, name: 'store', secret });
const sent = (step: HandshakeStep): Buffer => step.send ?? Buffer.alloc(0);

t.test('both sides come to trust each other, whatever the cutting', async (t) => {
  for (const size of [1, 7, 1000]) {
    const [a, b] = [client(), server()];
    const feed = (to: { feed(chunk: Buffer): HandshakeStep }, bytes: Buffer): HandshakeStep => {
      let step: HandshakeStep = { rest: Buffer.alloc(0) };
      for (let at = 0; at < bytes.length; at += size) step = to.feed(bytes.subarray(at, at + size));
      return step;
    };
    const challenge = feed(b, a.start());
    const proof = feed(a, sent(challenge));
    const welcome = feed(b, sent(proof));
    t.same(welcome.peer, { name: 'front', version: 1 });
    t.same(feed(a, sent(welcome)).peer, { name: 'store', version: 1 });
  }
});

t.test('a server without the secret is not trusted', async (t) => {
  const a = client();
  const proof = sent(a.feed(sent(server('other').feed(a.start()))));
  const proofMac = unframeHello(proof)?.payload ?? Buffer.alloc(0);
  for (const mac of [Buffer.alloc(32), Buffer.alloc(0), proofMac])
    t.throws(() => a.feed(frameHello(helloTypes.welcome, mac)), { code: 'HandshakeFailed' }, 'guessed or reflected');
});

t.test('a proof serves once', async (t) => {
  const a = client();
  const hello = a.start();
  const first = server();
  const proof = sent(a.feed(sent(first.feed(hello))));
  t.ok(first.feed(proof).peer);
  const second = server();
  second.feed(hello);
  t.throws(() => second.feed(proof), { code: 'HandshakeFailed' }, 'replayed to a new challenge');
});

t.test('messages out of turn, too long or of strangers', async (t) => {
  const hello = client().start();
  const inserted = Buffer.concat([hello, hello]);
  t.throws(() => server().feed(inserted), { code: 'HandshakeFailed' });
  t.throws(() => server().feed(frameHello(helloTypes.proof, Buffer.alloc(32))), { code: 'HandshakeFailed' });
  t.throws(() => server().feed(frameHello(helloTypes.hello, Buffer.alloc(HELLO_BYTES_MAX))), {
    code: 'HandshakeFailed',
  });
  t.throws(() => server().feed(Buffer.from('GET / HTTP/1.1\r\n')), { code: 'HandshakeFailed' });
  const payload = unframeHello(hello)?.payload ?? Buffer.alloc(0);
  for (let end = 0; end < payload.length; end++)
    t.throws(() => server().feed(frameHello(helloTypes.hello, payload.subarray(0, end))), { code: 'HandshakeFailed' });
});
