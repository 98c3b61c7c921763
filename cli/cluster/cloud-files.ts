/** DIR/clouds.yaml and DIR/openrc: what OpenStack's clients read to become the administrator. Written anew at each start. */
import path from 'node:path';
import type { Disk } from '../../fabric/disk.ts';
import type { KeystoneCredentials } from './credentials.ts';

const MODE_PRIVATE = 0o600;
export const CLOUD = 'needletail';

export async function writeCloudFiles(
  directory: string,
  { keystone, region, verify }: { keystone: KeystoneCredentials; region: string; verify: boolean },
  disk: Disk,
): Promise<void> {
  const write = (name: string, lines: readonly string[]): Promise<void> =>
    disk.replaceFile(path.join(directory, name), Buffer.from(`${lines.join('\n')}\n`), MODE_PRIVATE);
  const { authUrl, username, password, projectName, domainName } = keystone;
  await write('clouds.yaml', [
    'clouds:',
    `  ${CLOUD}:`,
    '    auth:',
    `      auth_url: ${JSON.stringify(authUrl)}`,
    `      username: ${JSON.stringify(username)}`,
    `      password: ${JSON.stringify(password)}`,
    `      project_name: ${JSON.stringify(projectName)}`,
    `      user_domain_name: ${JSON.stringify(domainName)}`,
    `      project_domain_name: ${JSON.stringify(domainName)}`,
    `    region_name: ${JSON.stringify(region)}`,
    '    identity_api_version: "3"',
    '    volume_api_version: "3"',
    ...(verify ? [] : ['    verify: false']),
  ]);
  const variables = {
    ...{ OS_AUTH_URL: authUrl, OS_USERNAME: username, OS_PASSWORD: password, OS_PROJECT_NAME: projectName },
    ...{ OS_USER_DOMAIN_NAME: domainName, OS_PROJECT_DOMAIN_NAME: domainName, OS_REGION_NAME: region },
    ...{ OS_IDENTITY_API_VERSION: '3', OS_VOLUME_API_VERSION: '3', OS_AUTH_TYPE: 'password' },
  };
  await write(
    'openrc',
    Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`),
  );
}

/** For a POSIX shell. */
const quote = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;
