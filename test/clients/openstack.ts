/** What clients of OpenStack read from the environment to become the administrator of a place. */
import { missing } from '../tools.ts';
import type { Place } from './contract.ts';

export function openstackEnv({ credentials, caFile, tag }: Place): Record<string, string> {
  const { keystone, s3 } = credentials;
  if (keystone === undefined) throw new Error('the place has no identity of its own');
  return {
    OS_AUTH_URL: keystone.authUrl,
    OS_USERNAME: keystone.username,
    OS_PASSWORD: keystone.password,
    OS_PROJECT_NAME: keystone.projectName,
    OS_REGION_NAME: s3.region,
    TAG: tag,
    ...(caFile === undefined ? {} : { OS_CACERT: caFile, SSL_CERT_FILE: caFile }),
  };
}

/** The reason why no volume can be made, or undefined. */
export function volumesMissing(): string | undefined {
  const reasons = ['qemu-storage-daemon', 'qemu-img', 'nbdkit'].map((tool) => missing(tool));
  return reasons.find((reason) => reason !== false) || undefined;
}
