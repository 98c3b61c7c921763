// Devices as operators type them.
import t from 'tap';
import type { Device } from './contract.ts';
import { findDevice, parseNewDevice, printDevice } from './device-spec.ts';

const badArgument = { code: 'BadRingArgument' };

t.test('reads the notation of Swift', async (t) => {
  const plain = { region: 2, zone: 3, ip: '10.0.0.1', port: 6200, device: 'sdb1', meta: '', weight: 5 };
  t.same(parseNewDevice('r2z3-10.0.0.1:6200/sdb1', 5), plain);
  t.same(parseNewDevice('z3-10.0.0.1:6200/sdb1_rack_7', 5), { ...plain, region: 1, meta: 'rack_7' });
  const replication = { replicationIp: 'fd00::2', replicationPort: 1 };
  t.same(parseNewDevice('r2z3-10.0.0.1:6200R[FD00:0::2]:1/sdb1', 5), { ...plain, ...replication });
  t.equal(parseNewDevice('z1-Store-Run7.Example:80/d', 1).ip, 'store-run7.example');
  const wrong = [
    '',
    'r1',
    'z1-10.0.0.1/sd',
    'z1-10.0.0:1/sd',
    'z1-10.0.0.999:1/d',
    'z1-[::zz]:1/d',
    'z1-[1.2.3]:1/d',
    'z1-h:1/',
  ];
  for (const text of wrong) t.throws(() => parseNewDevice(text, 1), badArgument, text);
});

t.test('finds a device by id or place', async (t) => {
  const device = (id: number, ip: string, port: number): Device => {
    return {
      id,
      region: 1,
      zone: 1,
      weight: 1,
      ip,
      port,
      replicationIp: ip,
      replicationPort: port,
      device: 'sda',
      meta: '',
    };
  };
  const devices = [device(0, '10.0.0.1', 1), null, device(2, 'fd00::1', 1)];
  t.equal(findDevice(devices, 'd2'), devices[2]);
  t.equal(findDevice(devices, '0'), devices[0]);
  t.equal(findDevice(devices, '[FD00::1]:1/sda'), devices[2]);
  for (const text of ['1', 'd9', '10.0.0.1:2/sda', '']) t.throws(() => findDevice(devices, text), badArgument, text);
  t.throws(() => findDevice([...devices, device(3, 'fd00::1', 1)], '[fd00::1]:1/sda'), { message: /matches 2/ });
  t.equal(printDevice(device(0, 'fd00::1', 6200)), 'r1z1-[fd00::1]:6200/sda');
});
