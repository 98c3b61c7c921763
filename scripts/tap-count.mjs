// Counts tests in the runner's TAP output: a test is a block (t.test, or a file) with assertions of its own.
// Single assertions are not counted, or a loop would look like a thousand tests.
import { Parser } from 'tap-parser';

/** What tap and its parser say of a file without a test; not a reason to skip it. */
const NOTHING_RAN = 'no tests found';

/**
 * @param {string} text
 * @param {{name: string, ok: boolean, why: string}} [file] the file that wrote it, and whether and why it failed; without
 *   it, the text is a whole run's, with a block for each file
 * @returns {{passed: number, failed: number, skipped: {name: string, reason: string}[], failures: string[]}}
 *   reason is '' where none is given; failures are the failed assertions, each with what the runner knows of it
 */
export function countTests(text, file) {
  const root = readTree(text);
  const count = { passed: 0, failed: 0, skipped: [], failures: [] };
  if (file === undefined) for (const child of root.children) addNode(child, '', count);
  else addFile(root, file, count);
  return count;
}

function addFile(root, { name, ok, why }, count) {
  addNode({ ...root, name, ok: root.ok && ok, skip: ok ? root.skip : undefined }, '', count);
  if (count.passed + count.failed + count.skipped.length === 0) count.failed += 1;
  if (count.failed > 0 && count.failures.length === 0) count.failures.push(`${name}: ${ok ? 'it ran no test' : why}`);
}

function readTree(text) {
  const root = makeNode('');
  const parser = new Parser();
  fill(root, parser);
  parser.on('complete', ({ ok, plan }) => {
    root.ok = ok;
    if (plan.skipAll && plan.skipReason !== NOTHING_RAN) root.skip = plan.skipReason;
  });
  parser.end(text);
  return root;
}

function makeNode(name) {
  return { name, children: [], ownPassed: 0, ownFailed: [], ownSkipped: [], ok: true, skip: undefined };
}

function fill(node, parser) {
  let open;
  parser.on('child', (childParser) => {
    open = makeNode(childParser.name);
    node.children.push(open);
    fill(open, childParser);
  });
  // The point after a child is the child's own verdict, seen from its parent.
  parser.on('assert', (point) => {
    const skip = point.skip === true ? '' : point.skip || undefined;
    if (open !== undefined && open.name === point.name) Object.assign(open, { ok: point.ok, skip });
    else if (skip !== undefined) node.ownSkipped.push({ name: point.name, reason: skip });
    else if (point.ok) node.ownPassed += 1;
    else node.ownFailed.push(describe(point));
    open = undefined;
  });
}

function addNode(node, prefix, count) {
  const name = prefix === '' ? node.name : `${prefix} > ${node.name}`;
  const failedBefore = count.failed;
  for (const child of node.children) addNode(child, name, count);
  for (const skip of node.ownSkipped) count.skipped.push({ ...skip, name: `${name} > ${skip.name}` });
  for (const failure of node.ownFailed) count.failures.push(`${name} > ${failure}`);
  if (node.skip !== undefined) count.skipped.push({ name, reason: node.skip });
  else if (node.ownFailed.length > 0) count.failed += 1;
  else if (node.ownPassed > 0) count.passed += 1;
  // Failed with nothing inside to blame: a time-out, a crash, a plan that was not met.
  if (!node.ok && node.skip === undefined && count.failed === failedBefore) count.failed += 1;
}

function describe({ name, diag }) {
  const at = diag?.at ? ` (${diag.at.fileName}:${diag.at.lineNumber})` : '';
  const text = diag?.diff ?? diag?.stack ?? '';
  return `${name}${at}\n${text}`.trim();
}
