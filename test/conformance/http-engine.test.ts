/** The choice of an engine: what runs where the native binary cannot. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';

const engineUrl = new URL('../../fabric/http/engine.js', import.meta.url).href;
const clockUrl = new URL('../../fabric/clock.js', import.meta.url).href;

/** Another process, because a binary is loaded once a process. */
async function tried(change: string): Promise<{ engine: string; body: string; warnings: string[] }> {
  const script = `
    ${change}
    const { listen } = await import('${engineUrl}');
    const { systemClock } = await import('${clockUrl}');
    const warnings = [];
    const world = { clock: systemClock, onError: () => {}, onWarning: (line) => warnings.push(line) };
    const listener = await listen('uws', () => ({ status: 200, headers: [], body: 'here' }), { host: '127.0.0.1', port: 0 }, world);
    const body = await (await fetch('http://127.0.0.1:' + listener.port + '/', { headers: { connection: 'close' } })).text();
    console.log(JSON.stringify({ engine: listener.engine, body, warnings }));
    await listener.drain(1000);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 20_000,
  });
  return JSON.parse(stdout) as { engine: string; body: string; warnings: string[] };
}

t.test('the native binary runs here', async (t) => {
  t.strictSame(await tried(''), { engine: 'uws', body: 'here', warnings: [] });
});

for (const [what, change] of [
  ['another platform', `Object.defineProperty(process, 'platform', { value: 'darwin' });`],
  ['another Node', `Object.defineProperty(process.versions, 'modules', { value: '137' });`],
  ['another C library', `process.report.getReport = () => ({ header: {} });`],
]) {
  t.test(`${what}: node:http takes over with one line`, async (t) => {
    const { engine, body, warnings } = await tried(change!);
    t.strictSame([engine, body, warnings.length], ['node', 'here', 1]);
    t.match(warnings[0], /uWebSockets\.js is not available .* node:http/);
  });
}
