/**
 * The smallest guest: a boot sector that reads one sector of its disk and writes it to another through the BIOS, for a QEMU
 * machine whose disk is a vhost-user-blk socket. Nothing but QEMU and its BIOS is needed.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mustRun, runTool } from './cluster.ts';

const SECTOR = 512;
const ORIGIN = 0x7c00;
const READ_PACKET = 0x60;
const WRITE_PACKET = 0x70;
/** What isa-debug-exit makes of 0x10: twice, plus one. */
const EXIT_WRITTEN = 0x21;

function bootSector(): Buffer {
  const low = (at: number): number => (ORIGIN + at) & 0xff;
  const high = ORIGIN >> 8;
  // biome-ignore format: one instruction a line
  const code = [
    0x31, 0xc0,                          // xor ax, ax
    0x8e, 0xd8,                          // mov ds, ax
    0x8e, 0xd0,                          // mov ss, ax
    0xbc, 0x00, high,                    // mov sp, 0x7c00
    0xbe, low(READ_PACKET), high,        // mov si, the packet that reads
    0xb4, 0x42,                          // mov ah, 0x42
    0xcd, 0x13,                          // int 0x13
    0x72, 0x0e,                          // jc failed
    0xbe, low(WRITE_PACKET), high,       // mov si, the packet that writes
    0xb8, 0x00, 0x43,                    // mov ax, 0x4300
    0xcd, 0x13,                          // int 0x13
    0x72, 0x04,                          // jc failed
    0xb0, 0x10,                          // mov al, 0x10
    0xeb, 0x02,                          // jmp end
    0xb0, 0x20,                          // failed: mov al, 0x20
    0xe6, 0xf4,                          // end: out 0xf4, al
    0xf4,                                // hlt
    0xeb, 0xfd,                          // jmp to hlt
  ];
  const sector = Buffer.alloc(SECTOR);
  sector.set(code);
  // Size of the packet, one sector, to or from 0000:8000, its number.
  sector.set([0x10, 0, 1, 0, 0x00, 0x80, 0, 0, 1], READ_PACKET);
  sector.set([0x10, 0, 1, 0, 0x00, 0x80, 0, 0, 2], WRITE_PACKET);
  sector.set([0x55, 0xaa], SECTOR - 2);
  return sector;
}

/** `disk`: NBD URI of the same volume, to lay down the sector and to look at what the guest wrote. */
export async function bootFrom(args: { socket: string; disk: string; folder: string }): Promise<string> {
  const { socket, disk, folder } = args;
  const file = path.join(folder, 'boot.bin');
  const message = randomBytes(SECTOR);
  writeFileSync(file, Buffer.concat([bootSector(), message]));
  await mustRun('qemu-io', ['-f', 'raw', '-c', `write -q -s ${file} 0 1k`, disk]);
  const { code, stderr } = await runTool('timeout', [
    ...['50', 'qemu-system-x86_64', '-M', 'pc,memory-backend=m', '-accel', 'tcg', '-m', '64'],
    ...['-object', 'memory-backend-memfd,id=m,size=64M,share=on', '-display', 'none', '-vga', 'none', '-nic', 'none'],
    ...['-chardev', `socket,id=c,path=${socket}`, '-device', 'vhost-user-blk-pci,chardev=c,bootindex=1'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-no-reboot', '-serial', 'none', '-monitor', 'none'],
  ]);
  if (code !== EXIT_WRITTEN) return `the machine ended with ${code}: ${stderr}`;
  await mustRun('qemu-img', ['dd', '-f', 'raw', '-O', 'raw', 'bs=512', 'count=3', `if=${disk}`, `of=${file}`]);
  const sectors = readFileSync(file);
  return sectors.subarray(2 * SECTOR, 3 * SECTOR).equals(message) ? 'written' : 'the guest wrote something else';
}
