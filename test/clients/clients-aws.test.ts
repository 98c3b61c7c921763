// The `aws` command, operation by operation: it takes as long as all the others of clients.test.ts together.
import t from 'tap';
import { testClients } from './suite.ts';

t.setTimeout(230_000);

t.test('aws over HTTP', (t) => testClients(t, { tls: false, clients: [['aws s3api', '--s3-port']] }));
