/** Runs s3_boto3_suite.py with a Python that has boto3 and reports its lines as assertions. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { findPython, missingPython } from '../tools.ts';
import { runClient, type Target } from './s3-rig.ts';

const SUITE_MS = 150_000;
/** Beside the source: the compiler does not copy it. */
const SCRIPT = fileURLToPath(new URL('../../../test/conformance/s3_boto3_suite.py', import.meta.url));
const TESTS_MIN = 15;

export async function runBoto3(t: Test, target: Target): Promise<void> {
  await t.test('suite', { skip: missingPython('boto3') }, async (t) => {
    const python = findPython('boto3') as string;
    const done = await runClient(target, python, [path.resolve(SCRIPT)], { timeoutMs: SUITE_MS });
    const lines = done.stdout.split('\n').filter((line) => /^(not )?ok /.test(line));
    for (const line of lines) t.ok(line.startsWith('ok '), line.replace(/^(not )?ok /, ''));
    t.ok(lines.length >= TESTS_MIN, `${lines.length} tests ran: ${done.stderr.slice(-2000)}`);
  });
}
