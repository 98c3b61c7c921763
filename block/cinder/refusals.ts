/** Cinder's refusals in its own words, which clients and their tests match on. */
import { apiFaults, type FaultTable } from '../../control/service/faults.ts';
import { Fault } from '../../fabric/errors.ts';
import { volumeFaults } from '../volumes/contract.ts';

export const cinderFaults = {
  /** No host fits; a new volume ends in `error` with a message. */
  noHost: 'NoValidBackend',
  /** The host is in no configuration, or does not answer. */
  hostDown: 'VolumeHostDown',
} as const;

/** How faults that pass through from hosts look over HTTP. */
export const CINDER_FAULTS: FaultTable = {
  [cinderFaults.noHost]: { status: 400 },
  [cinderFaults.hostDown]: { status: 503 },
  [volumeFaults.busy]: { status: 400 },
  [volumeFaults.badRequest]: { status: 400 },
  [volumeFaults.broken]: { status: 500 },
  [volumeFaults.unfit]: { status: 503 },
  [volumeFaults.noSuchVolume]: { status: 404 },
  [volumeFaults.noSuchSnapshot]: { status: 404 },
  [volumeFaults.noSuchAttachment]: { status: 404 },
};

export const badRequest = (message: string): Fault => new Fault(apiFaults.badRequest, {}, message);
export const notFound = (what: string, id: string): Fault =>
  new Fault(apiFaults.notFound, { id }, `${what} ${id} could not be found.`);
export const conflict = (message: string): Fault => new Fault(apiFaults.conflict, {}, message);
export const forbidden = (message: string): Fault => new Fault(apiFaults.forbidden, {}, message);
export const notImplemented = (message: string): Fault => new Fault(apiFaults.notImplemented, {}, message);

export const invalidVolume = (reason: string): Fault => badRequest(`Invalid volume: ${reason}`);
export const invalidSnapshot = (reason: string): Fault => badRequest(`Invalid snapshot: ${reason}`);
export const invalidBackup = (reason: string): Fault => badRequest(`Invalid backup: ${reason}`);
export const invalidInput = (reason: string): Fault => badRequest(`Invalid input received: ${reason}`);
export const invalidGroup = (reason: string): Fault => badRequest(`Invalid Group: ${reason}`);
export const invalidGroupSnapshot = (reason: string): Fault => badRequest(`Invalid GroupSnapshot: ${reason}`);
export const invalidGroupType = (reason: string): Fault => badRequest(`Invalid group type: ${reason}`);
