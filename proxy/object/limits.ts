/** What may be stored at all, whichever API asks. Names are UTF-8; limits are in bytes, as Swift and S3 state them. */
import { Fault } from '../../fabric/errors.ts';
import { type ObjectAttributes, storeFaults } from './contract.ts';

export const ACCOUNT_NAME_BYTES_MAX = 256;
export const CONTAINER_NAME_BYTES_MAX = 256;
export const OBJECT_NAME_BYTES_MAX = 1024;
/** All user metadata and kept headers of one object together: above what either API allows a client. */
export const ATTRIBUTE_BYTES_MAX = 32 * 1024;

export function checkObjectName(name: string): void {
  checkName(name, OBJECT_NAME_BYTES_MAX, 'object');
}

export function checkContainerName(name: string): void {
  checkName(name, CONTAINER_NAME_BYTES_MAX, 'container');
  if (name.includes('/'))
    throw new Fault(storeFaults.invalidName, { what: 'container' }, 'a container name has no slash');
}

function checkName(name: string, bytesMax: number, what: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > bytesMax)
    throw new Fault(storeFaults.invalidName, { what, bytes, bytesMax }, `${what} name of ${bytes} bytes`);
  if (name.includes('\0')) throw new Fault(storeFaults.invalidName, { what }, `${what} name with a NUL`);
}

export function checkAttributes({ contentType, user, headers }: ObjectAttributes): void {
  let bytes = contentType?.length ?? 0;
  for (const values of [user, headers]) {
    if (!values) continue;
    for (const name in values) bytes += name.length + (values[name] as string).length;
  }
  if (bytes > ATTRIBUTE_BYTES_MAX)
    throw new Fault(storeFaults.tooMuchMetadata, { bytes, bytesMax: ATTRIBUTE_BYTES_MAX });
}
