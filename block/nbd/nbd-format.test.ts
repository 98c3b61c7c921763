import t from 'tap';
import * as wire from './nbd-format.ts';
import * as haggle from './nbd-option-format.ts';

t.test('a request is laid out as the protocol document draws it', async (t) => {
  const request = {
    flags: wire.commandFlags.fua,
    type: wire.commands.write,
    cookieHigh: 0x01020304,
    cookieLow: 0x05060708,
    offset: 2 ** 40 + 512,
    length: 4096,
  };
  const bytes = wire.encodeRequest(request);
  t.equal(bytes.toString('hex'), '25609513' + '0001' + '0001' + '0102030405060708' + '0000010000000200' + '00001000');
  const back = wire.emptyRequest();
  wire.decodeRequest(bytes, 0, back);
  t.same(back, request);
  bytes[0] = 0;
  t.throws(() => wire.decodeRequest(bytes, 0, back), { name: 'MalformedNbd' });
});

t.test('replies of both kinds', async (t) => {
  const cookie = { cookieHigh: 7, cookieLow: 9 };
  const header = wire.emptyReplyHeader();
  const simple = wire.encodeSimpleReply(cookie, wire.errnos.ENOSPC);
  t.equal(simple.toString('hex'), '67446698' + '0000001c' + '0000000700000009');
  t.equal(wire.replyHeaderBytes(simple, 0), wire.SIMPLE_REPLY_BYTES);
  wire.decodeReplyHeader(simple, 0, header);
  t.match(header, { structured: false, errno: 28, cookieHigh: 7, cookieLow: 9, flags: wire.CHUNK_DONE });

  const hole = wire.encodeHoleChunk(cookie, wire.CHUNK_DONE, 2 ** 33, 65536);
  t.equal(
    hole.toString('hex'),
    '668e33ef' + '0001' + '0002' + '0000000700000009' + '0000000c' + '0000000200000000' + '00010000',
  );
  wire.decodeReplyHeader(hole, 0, header);
  t.match(header, { structured: true, type: wire.chunkTypes.hole, length: wire.HOLE_BYTES });
  t.same(wire.decodeHole(hole.subarray(wire.CHUNK_HEADER_BYTES)), { offset: 2 ** 33, length: 65536 });

  const extents = [
    { length: 10, flags: 3 },
    { length: 20, flags: 0 },
  ];
  const status = wire.encodeStatusChunk(cookie, 0, 5, extents);
  t.same(wire.decodeStatus(status.subarray(wire.CHUNK_HEADER_BYTES)), { contextId: 5, extents });
  const error = wire.encodeErrorChunk(cookie, wire.errnos.EIO, 'no such luck');
  t.same(wire.decodeError(error.subarray(wire.CHUNK_HEADER_BYTES)), { errno: 5, message: 'no such luck' });
  t.throws(() => wire.decodeStatus(Buffer.alloc(11)), { name: 'MalformedNbd' });
  t.throws(() => wire.decodeError(Buffer.from('00000005ffff', 'hex')), { name: 'MalformedNbd' });
});

t.test('options and their replies', async (t) => {
  const info = { name: 'vol-ü', wanted: [3, 1] };
  t.same(haggle.decodeInfoRequest(haggle.encodeInfoRequest(info)), info);
  const contexts = { name: '', queries: ['base:allocation', 'qemu:dirty-bitmap:b0'] };
  t.same(haggle.decodeContextRequest(haggle.encodeContextRequest(contexts), 2), contexts);
  t.throws(() => haggle.decodeContextRequest(haggle.encodeContextRequest(contexts), 1), { name: 'MalformedNbd' });
  const option = haggle.encodeOption(haggle.options.go, Buffer.from('abc'));
  t.same(haggle.decodeOptionHeader(option), { option: 7, length: 3 });
  const reply = haggle.encodeOptionReply(7, haggle.optionErrors.unknown);
  t.equal(reply.toString('hex'), '0003e889045565a9' + '00000007' + '80000006' + '00000000');
  t.same(haggle.decodeOptionReplyHeader(reply), { option: 7, type: 0x80000006, length: 0 });
  t.same(haggle.decodeInfo(haggle.encodeExportInfo(2 ** 50, 5)), { kind: 'export', sizeBytes: 2 ** 50, flags: 5 });
  t.same(haggle.decodeInfo(haggle.encodeBlockSizeInfo(512, 4096, 65536)), {
    kind: 'blockSize',
    minimum: 512,
    preferred: 4096,
    maximum: 65536,
  });
  t.equal(haggle.decodeServerHello(haggle.encodeServerHello(3)), 3);
  t.throws(() => haggle.decodeServerHello(Buffer.from('4e42444d4147494300004202818612530003', 'hex')), /oldstyle/);
});
