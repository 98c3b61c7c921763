// Real clients against the shipped server over plain HTTP, on both listeners. clients-tls.test.ts does the same over TLS.
import t from 'tap';
import { testClients } from './suite.ts';

t.setTimeout(230_000);

t.test('real clients over HTTP', (t) =>
  testClients(t, {
    tls: false,
    clients: [
      ['swift', '--port'],
      ['boto3', '--port'],
      ['JavaScript SDK', '--s3-port'],
      ['rclone, s3', '--s3-port'],
      ['restic, s3', '--s3-port'],
      ['s3cmd', '--s3-port'],
      ['s3fs', '--s3-port'],
    ],
  }),
);
