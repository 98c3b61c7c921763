// The real `openstack` command against identity on a real port. Its interactive mode runs many commands in one Python, which
// takes longer to start than all of them to run.
import { spawn } from 'node:child_process';
import t from 'tap';
import { ADMIN_PASSWORD, startIdentityBed } from '../../test/identity-bed.ts';
import { findTool, missing } from '../../test/tools.ts';

const SESSION_MS = 60_000;
t.setTimeout(120_000);

interface Session {
  readonly status: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: documents of tests are looked at, not typed
  readonly documents: any[];
  readonly errors: string;
}

/** Runs `lines`; those that end in `-f json` give a document each. With `args` that one command, as from a shell. */
function openstack(
  env: Record<string, string>,
  lines: readonly string[],
  args: readonly string[] = [],
): Promise<Session> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env }, timeout: SESSION_MS };
    const child = spawn(findTool('openstack') as string, args, options);
    let [out, errors] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      errors += bytes;
    });
    child.stdin.end(lines.map((line) => `${line}\n`).join(''));
    child.on('close', (status) => {
      // Printed over several lines, so that its brackets alone begin and end a line.
      const texts = out.match(/^(?:\[\]|[{[]$[\s\S]*?^[}\]])$/gm) ?? [];
      resolve({ status, documents: texts.map((text) => JSON.parse(text)), errors });
    });
  });
}

t.test('openstack', { skip: missing('openstack') }, async (t) => {
  const bed = await startIdentityBed();
  t.teardown(() => bed.stop());
  const base = { OS_AUTH_URL: `${bed.url}/v3`, OS_IDENTITY_API_VERSION: '3', OS_REGION_NAME: 'RegionOne' };
  const domains = { OS_USER_DOMAIN_NAME: 'Default', OS_PROJECT_DOMAIN_NAME: 'Default' };
  const admin = { ...base, ...domains, OS_USERNAME: 'admin', OS_PASSWORD: ADMIN_PASSWORD, OS_PROJECT_NAME: 'admin' };

  const first = await openstack(admin, [
    'token issue -f json',
    'catalog list -f json',
    'project create --description films --tag blue films -f json',
    'user create --password pw --email maria@example.org maria -f json',
    'role add --user maria --project films member',
    'role assignment list --user maria --names --effective -f json',
    'group create crew -f json',
    'group add user crew maria',
    'group contains user crew maria',
    'role create observer -f json',
    'implied role create observer --implied-role reader -f json',
    'role delete observer',
    'domain create --description test studio -f json',
    'service create --name nova compute -f json',
    'endpoint create --region RegionOne compute public http://h:8774/v2.1 -f json',
    'region create --description x North -f json',
    'registered limit create --service nova --default-limit 10 --region RegionOne servers -f json',
  ]);
  const [token, catalog, project, user, assignments, group, role, implied, domain] = first.documents;
  t.equal(first.errors, '');
  t.match(token, { project_id: bed.ids.projectId, user_id: bed.ids.adminId, expires: /^\d{4}-/ });
  t.same(catalog.map((one: { Type: string }) => one.Type).sort(), ['identity', 'object-store']);
  t.match(project, { name: 'films', description: 'films', tags: ['blue'], domain_id: 'default' });
  t.match(user, { name: 'maria', enabled: true, email: 'maria@example.org' });
  t.same(assignments.map((one: { Role: string }) => one.Role).sort(), ['member', 'reader']);
  t.match(assignments[0], { User: 'maria@Default', Project: 'films@Default' });
  t.match([group, role, domain], [{ name: 'crew' }, { name: 'observer' }, { name: 'studio' }]);
  t.ok(implied);
  t.equal(first.documents.length, 13);

  const maria = { ...admin, OS_USERNAME: 'maria', OS_PASSWORD: 'pw', OS_PROJECT_NAME: 'films' };
  const second = await openstack(maria, [
    'application credential create robot -f json',
    'ec2 credentials create -f json',
    'ec2 credentials list -f json',
    'application credential list -f json',
    'project list --my-projects -f json',
  ]);
  const [robot, ec2, keys, robots, projects] = second.documents;
  t.equal(second.errors, '');
  t.match(ec2, { access: String, secret: String, project_id: project.id, user_id: user.id });
  t.match(keys, [{ Access: ec2.access }]);
  t.match(robots, [{ Name: 'robot' }]);
  t.match(projects, [{ ID: project.id, Name: 'films' }]);

  const appCred = { OS_APPLICATION_CREDENTIAL_ID: robot.id, OS_APPLICATION_CREDENTIAL_SECRET: robot.secret };
  const asRobot = { ...base, OS_AUTH_TYPE: 'v3applicationcredential', ...appCred };
  const { OS_PROJECT_NAME: _, OS_PROJECT_DOMAIN_NAME: __, ...onSystem } = admin;
  const [robotSession, refused] = await Promise.all([
    openstack(asRobot, ['token issue -f json']),
    openstack({ ...maria, OS_PASSWORD: 'wrong' }, [], ['token', 'issue']),
  ]);
  // Only now: with its user the robot's credential goes too.
  const system = await openstack({ ...onSystem, OS_SYSTEM_SCOPE: 'all' }, ['user list -f json', 'user delete maria']);
  t.match(robotSession.documents, [{ project_id: project.id, user_id: user.id }]);
  t.same(system.documents[0].map((one: { Name: string }) => one.Name).sort(), ['admin', 'maria']);
  t.equal((await bed.admin.call('GET', `/v3/users/${user.id}`)).status, 404, 'deleted by the command');
  t.not(refused.status, 0);
  t.match(refused.errors, /requires authentication.*401/s);
  t.same(bed.errors, []);
});
