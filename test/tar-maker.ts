/** Tar archives for tests, proper and not: every field of a member's header may be told. */
export interface Member {
  readonly name: string;
  readonly body?: string | Buffer;
  /** `0` is a file, `5` a folder, `1` and `2` are links, `3` and `4` devices, `x` extended headers, `S` a sparse file. */
  readonly type?: string;
  /** As the header says; the body's when absent. Text is written as it is. */
  readonly size?: number | string;
  readonly link?: string;
  readonly checksum?: string;
}

export const TAR_BLOCK = 512;

export function tarHeader({ name, body = '', type = '0', size, link = '', checksum }: Member): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  const bytes = size ?? Buffer.byteLength(body);
  block.write(name, 0, 100, 'latin1');
  block.write('0000644\0', 100);
  block.write(typeof bytes === 'string' ? bytes : `${bytes.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1');
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(link, 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

export function makeTar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap((member) => {
    const body = Buffer.from((member.body ?? '') as string, 'utf8');
    return [tarHeader(member), body, Buffer.alloc((TAR_BLOCK - (body.length % TAR_BLOCK)) % TAR_BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(TAR_BLOCK * 2)]);
}

/** Extended headers for the member that follows. */
export function paxMember(fields: Readonly<Record<string, string>>): Member {
  const body = Object.entries(fields).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest) + 2;
    while (String(length).length + Buffer.byteLength(rest) !== length) {
      length = String(length).length + Buffer.byteLength(rest);
    }
    return `${length}${rest}`;
  });
  return { name: 'pax', type: 'x', body: body.join('') };
}
