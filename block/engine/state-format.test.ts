// The state file: round trip, damage, other versions.
import t from 'tap';
import { isFault } from '../../fabric/errors.ts';
import { engineFaults } from './contract.ts';
import { decodeState, encodeState, type VolumeState } from './state-format.ts';

const state: VolumeState = {
  id: 'v1',
  sizeBytes: 2 ** 40,
  granularityBytes: 65536,
  phase: 'ready',
  limits: { iopsTotal: 100 },
  attachments: [
    { attachmentId: 'a', transport: 'tcp', readOnly: true, secretHex: 'ab'.repeat(32), host: '::1', port: 1 },
  ],
  wanted: true,
  base: { snapshotId: 's', bitmap: 'since-1', saved: false },
  serial: 7,
};

function refuses(bytes: Buffer): boolean {
  try {
    decodeState(bytes);
    return false;
  } catch (error) {
    return isFault(error, engineFaults.badState);
  }
}

t.test('what was written is read', async (t) => {
  t.same(decodeState(encodeState(state)), state);
  const without = { ...state, base: undefined };
  t.notOk('base' in decodeState(encodeState(without)));
});

t.test('any changed byte, any cut is refused', async (t) => {
  const bytes = encodeState(state);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ 1;
    if (!refuses(damaged) || !refuses(bytes.subarray(0, at))) t.fail(`byte ${at}`);
  }
  t.ok(refuses(Buffer.from('needletail-vol 2 0123456789abcdef\n{}\n')));
});
