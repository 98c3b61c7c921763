/** What is used of a package without types of its own. */
declare module 'seek-bzip' {
  interface Input {
    /** -1 at the end. */
    readByte(): number;
    read(buffer: Uint8Array, offset: number, length: number): number;
    eof(): boolean;
  }
  interface Output {
    writeByte(byte: number): void;
    flush(): void;
  }
  const bunzip: {
    decode(bytes: Uint8Array): Buffer;
    /** With an output nothing is returned. `multistream`: one after the other. */
    decode(input: Input, output: Output, multistream: boolean): void;
  };
  export default bunzip;
}
