// Real clients of OpenStack's APIs against the shipped server: identity, objects and volumes of one cloud.
import t from 'tap';
import { testClients } from './suite.ts';

t.setTimeout(230_000);

t.test('clients of OpenStack', (t) => testClients(t, { tls: false, clients: [['openstacksdk', '--port']] }));
