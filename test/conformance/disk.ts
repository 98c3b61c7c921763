/** What every `Disk` must do; run against the real one and the simulator's. `directory` must be empty and writable. */
import type { Test } from 'tap';
import { type Disk, diskFaults } from '../../fabric/disk.ts';

export async function diskConformance(t: Test, disk: Disk, directory: string): Promise<void> {
  await t.test('files are created once, written and read at positions', (t) => writesAndReads(t, disk, directory));
  await t.test('directories, replacement and removal', (t) => namesAndReplaces(t, disk, directory));
  await t.test('space', async (t) => {
    const { freeBytes, totalBytes } = await disk.space(directory);
    t.ok(freeBytes >= 0 && totalBytes >= freeBytes);
  });
}

async function writesAndReads(t: Test, disk: Disk, directory: string): Promise<void> {
  const path = `${directory}/file`;
  await t.rejects(disk.open(path, 'read'), { code: diskFaults.notFound });
  await t.rejects(disk.open(path, 'write'), { code: diskFaults.notFound });
  const file = await disk.open(path, 'create');
  await t.rejects(disk.open(path, 'create'), { code: diskFaults.exists });
  t.equal(file.path, path);
  t.equal(await file.size(), 0);
  const many = Array.from({ length: 2500 }, (_, i) => Buffer.from([i & 0xff, i >> 8]));
  await file.write(many, 0);
  await file.write([Buffer.from('abc'), Buffer.alloc(0), Buffer.from('def')], 6000);
  await file.write([], 9000);
  await file.datasync();
  t.equal(await file.size(), 6006, 'a write beyond the end leaves a hole');
  const into = Buffer.alloc(10);
  t.equal(await file.read(into, 6000), 6, 'less only at the end');
  t.equal(into.toString('latin1', 0, 6), 'abcdef');
  t.equal(file.readSync(into, 4996), 10);
  t.same([...into], [0xc2, 0x09, 0xc3, 0x09, 0, 0, 0, 0, 0, 0]);
  t.equal(await file.read(into, 7000), 0);
  t.equal(file.readSync(into, 7000), 0);
  await file.truncate(6003);
  t.equal(await file.size(), 6003);
  await file.close();
  const again = await disk.open(path, 'read');
  t.equal(again.readSync(into, 6000), 3);
  await again.close();
  const writer = await disk.open(path, 'write');
  await writer.write([Buffer.from('Z')], 6001);
  t.equal(await writer.read(into, 6000), 3);
  t.equal(into.toString('latin1', 0, 3), 'aZc');
  await writer.close();
}

async function namesAndReplaces(t: Test, disk: Disk, directory: string): Promise<void> {
  t.same(await disk.list(`${directory}/nowhere`), []);
  const inner = `${directory}/a/b`;
  await disk.makeDirectory(inner);
  await disk.makeDirectory(inner);
  await disk.replaceFile(`${inner}/two`, Buffer.from('2'));
  await disk.replaceFile(`${inner}/one`, Buffer.from('1'));
  await disk.replaceFile(`${inner}/one`, Buffer.from('uno'));
  t.same(await disk.list(inner), ['one', 'two']);
  t.equal((await disk.readFile(`${inner}/one`)).toString(), 'uno');
  await disk.remove(`${inner}/one`);
  await disk.remove(`${inner}/one`);
  t.same(await disk.list(inner), ['two']);
  await t.rejects(disk.readFile(`${inner}/one`), { code: diskFaults.notFound });
}
