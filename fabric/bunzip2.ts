/** bzip2, by the one file that imports seek-bzip. Slow and synchronous: call it on a thread. */
import bunzip from 'seek-bzip';

/** Throws an Error for anything that is not a whole bzip2 file. */
export function bunzip2(bytes: Uint8Array): Buffer {
  return bunzip.decode(bytes);
}

const OUTPUT_BYTES = 64 * 1024;

/** Piece by piece, never more than a piece at a time in memory beside one block. `next` waits for input; undefined ends it. */
export function bunzipPieces(next: () => Uint8Array | undefined, write: (piece: Uint8Array) => void): void {
  let piece: Uint8Array | undefined = next();
  let at = 0;
  const fill = (): boolean => {
    while (piece !== undefined && at === piece.length) {
      piece = next();
      at = 0;
    }
    return piece !== undefined;
  };
  const readByte = (): number => (fill() ? ((piece as Uint8Array)[at++] as number) : -1);
  const input = {
    readByte,
    read(buffer: Uint8Array, offset: number, length: number): number {
      for (let got = 0; got < length; got++) {
        const byte = readByte();
        if (byte < 0) return got === 0 ? -1 : got;
        buffer[offset + got] = byte;
      }
      return length;
    },
    eof: () => !fill(),
  };
  let output = new Uint8Array(OUTPUT_BYTES);
  let length = 0;
  const flush = (): void => {
    if (length === 0) return;
    write(output.subarray(0, length));
    output = new Uint8Array(OUTPUT_BYTES);
    length = 0;
  };
  const writeByte = (byte: number): void => {
    output[length++] = byte;
    if (length === OUTPUT_BYTES) flush();
  };
  bunzip.decode(input, { writeByte, flush }, true);
  flush();
}
