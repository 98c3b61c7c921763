// Messages against bytes that are known, and against a decoder of others: the one that the JavaScript SDK has.
import t from 'tap';
import { decodeMessages, encodeMessage } from './event-stream-format.ts';

t.test('bytes', async (t) => {
  // No headers and no payload: 16 bytes, with the checksums of the format's own description.
  t.equal(encodeMessage([]).toString('hex'), '000000100000000005c248eb7d98c8ff');
  const message = encodeMessage([['a', 'é']], Buffer.from('body'));
  t.equal(message.subarray(12, 19).toString('hex'), `0161070002c3a9`);
  t.equal(message.length, 12 + 7 + 4 + 4);
});

t.test('what is written is read', async (t) => {
  const messages = [
    { headers: [[':message-type', 'event'] as const, [':event-type', 'Records'] as const], payload: Buffer.from('x') },
    { headers: [], payload: Buffer.alloc(0) },
  ];
  const stream = Buffer.concat(messages.map(({ headers, payload }) => encodeMessage(headers, payload)));
  t.same(decodeMessages(stream), messages);
  for (let at = 0; at < stream.length; at++) {
    const spoiled = Buffer.from(stream);
    spoiled[at] = (spoiled[at] as number) ^ 1;
    t.throws(() => decodeMessages(spoiled), `byte ${at}`);
  }
  for (const length of [1, 11, 15, stream.length - 1]) t.throws(() => decodeMessages(stream.subarray(0, length)));
});
