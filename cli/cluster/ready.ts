/** The line that says that all is up, and three commands to try a cluster with. */
import path from 'node:path';
import type { RunningCluster } from './start-cluster.ts';
import type { RunningServices } from './start-services.ts';

export function readyText({ urls, directory, credentials }: RunningCluster): string {
  const { s3, swift } = credentials;
  const insecure = urls.everything.startsWith('https:');
  const aws = `AWS_ACCESS_KEY_ID=${s3.accessKeyId} AWS_SECRET_ACCESS_KEY=${s3.secretAccessKey} AWS_DEFAULT_REGION=${s3.region}`;
  const lines = [
    `ready swift=${urls.everything}/auth/v1.0 s3=${urls.s3} s3+swift=${urls.everything} credentials=${path.join(directory, 'credentials.json')}`,
    '',
    'Try it:',
    `  swift -A ${swift.authUrl} -U ${swift.user} -K ${swift.key}${insecure ? ' --insecure' : ''} upload photos README.md`,
    `  ${aws} aws --endpoint-url ${s3.endpoint}${insecure ? ' --no-verify-ssl' : ''} s3 cp README.md s3://photos/`,
    `  curl -i${insecure ? ' --insecure' : ''} ${urls.everything}/healthcheck`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}

/** Of a process without a store. */
export function readyServicesText({ url, volumeHost, directory }: RunningServices): string {
  const parts = { ...(url && { url }), ...(volumeHost && { host: volumeHost }), data: directory };
  return `ready ${Object.entries(parts)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')}\n`;
}
