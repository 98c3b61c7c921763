// Real clients against the shipped server over TLS, on both listeners, with a certificate of its own.
import t from 'tap';
import { missing } from '../tools.ts';
import { testClients } from './suite.ts';

t.setTimeout(230_000);

t.test('real clients over TLS', { skip: missing('openssl') }, (t) =>
  testClients(t, {
    tls: true,
    clients: [
      ['swift and aws', '--port'],
      ['boto3', '--s3-port'],
      ['JavaScript SDK', '--port'],
      ['aws s3', '--s3-port'],
      ['rclone, s3', '--port'],
      ['rclone, swift', '--port'],
      ['restic, swift', '--port'],
      ['s3cmd', '--port'],
    ],
  }),
);
