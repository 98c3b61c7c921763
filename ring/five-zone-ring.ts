/**
 * The ring of a cluster on one machine: one region, five zones, one device each, equal weights. Always the same for the
 * same arguments, made in memory in tens of milliseconds.
 */
import { createSeededRandom } from '../fabric/random.ts';
import { RingBuilder } from './builder.ts';
import type { Device, Ring, RingData } from './contract.ts';
import { createRing } from './ring.ts';

export interface FiveZoneOptions {
  /** Default 3. */
  readonly replicas?: number;
  /** Default 12: 4,096 partitions, some 2,458 replicas a device. */
  readonly partPower?: number;
  /** Address and name of the device in a zone of 1…5. Default `127.0.0.1`, port 6200 + zone, `zone1`…`zone5`. */
  readonly place?: (zone: number) => Pick<Device, 'ip' | 'port' | 'device'>;
}

export function fiveZoneRing(options: FiveZoneOptions = {}): Ring {
  return createRing(fiveZoneRingData(options));
}

/** Device ids are 0…4 for zones 1…5. */
export function fiveZoneRingData({ replicas = 3, partPower = 12, place = localPlace }: FiveZoneOptions = {}): RingData {
  const builder = RingBuilder.create({ partPower, replicas, minPartHours: 1 });
  for (let zone = 1; zone <= 5; zone++) builder.addDevice({ ...place(zone), region: 1, zone, weight: 100 });
  builder.rebalance({ nowMs: 0, random: createSeededRandom(1) });
  return builder.ringData();
}

function localPlace(zone: number): Pick<Device, 'ip' | 'port' | 'device'> {
  return { ip: '127.0.0.1', port: 6200 + zone, device: `zone${zone}` };
}
