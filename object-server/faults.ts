/** What a device refuses, and what is found broken on one. The codes travel between zones. */
export const deviceFaults = {
  /** No space beyond the reserve. */
  full: 'DeviceFull',
  /** Takes nothing any more: closed, or a write or sync failed. */
  out: 'DeviceOut',
  /** Stored or sent chunk that does not check. */
  corruptChunk: 'CorruptChunk',
  /** Record that does not check. */
  corruptRegister: 'CorruptRegister',
  /** Disk of another cluster or another device. */
  foreignDisk: 'ForeignDisk',
  /** A write that no caller may ask for. */
  badMutation: 'BadMutation',
  corruptIdentity: 'CorruptIdentity',
  corruptIndex: 'CorruptIndex',
  corruptSegment: 'CorruptSegment',
  noSuchBlob: 'NoSuchBlob',
  noSuchDevice: 'NoSuchDevice',
  /** A call that needs a stream of bytes came without. */
  noUpload: 'NoUpload',
} as const;
