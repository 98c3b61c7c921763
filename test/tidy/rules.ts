// The tables that tidy enforces: who may import whom, what is banned where, which limits hold.
// A change of structure starts here. Exceptions are listed with a reason, never coded into a check.

/** Folders with TypeScript of our own. */
export const SOURCE_FOLDERS = [
  'account-container',
  'bench',
  'block',
  'cli',
  'compute',
  'control',
  'fabric',
  'object-server',
  'proxy',
  'ring',
  'test',
] as const;

/** Tools around the product: they may import everything, and no production file may import them. */
export const TOOL_FOLDERS = ['test', 'bench', 'scripts'] as const;

/** folder -> folders it may import besides itself. The services' contracts are added by CONTRACT_FOLDERS. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  fabric: [],
  ring: ['fabric'],
  'object-server': ['fabric', 'ring'],
  'account-container': ['fabric', 'ring'],
  // The control store keeps users that owners make (proxy/iam/).
  proxy: ['fabric', 'ring', 'control'],
  // What every OpenStack-style service is built on: store, policy, paging, faults.
  control: ['fabric', 'ring'],
  block: ['fabric', 'ring', 'control'],
  compute: ['fabric', 'ring', 'control'],
  // The composition root.
  cli: ['fabric', 'ring', 'object-server', 'account-container', 'proxy', 'control', 'block', 'compute'],
};

/** These may import contract.ts of each other, and nothing else of each other. */
export const CONTRACT_FOLDERS = ['object-server', 'account-container', 'proxy', 'block', 'compute'] as const;

/** Pairs inside one folder that must not know each other, either way. */
export const STRANGERS: readonly (readonly [string, string])[] = [['proxy/s3/', 'proxy/swift/']];

/** A contract is what others depend on, so it may not pull in the parts that carry it out. */
export const CONTRACT_MUST_NOT_IMPORT = ['main.ts', 'server.ts', 'store.ts'] as const;

/** Parts of the world that the simulator replaces, by name; `code` is sought outside comments and strings. */
export const WORLD = {
  time: {
    code: /\bDate\.now\b|\bnew Date\b(?!\s*\(\s*[^)\s])|(?<!\bnew\s+)(?<![.\w$])Date\s*\(|\bperformance\.(?:now|timeOrigin)\b|\bhrtime\b/g,
    modules: ['node:perf_hooks'],
    instead: 'take a Clock',
  },
  timers: {
    code: /(?<![.\w$#])(?:setTimeout|setInterval|setImmediate)\b|\bglobalThis\.set(?:Timeout|Interval|Immediate)\b/g,
    modules: ['node:timers', 'node:timers/promises'],
    instead: 'take a Clock',
  },
  random: {
    code: /\bMath\.random\b|(?:(?<![.\w$#])|\bcrypto\.)(?:randomBytes|randomUUID|randomInt|randomFillSync|getRandomValues)\b/g,
    modules: [],
    instead: 'take a Random',
  },
  env: { code: /\bprocess\.env\b/g, modules: [], instead: 'take the value as configuration' },
  fs: { code: undefined, modules: ['node:fs', 'node:fs/promises'], instead: 'take a Disk' },
  net: {
    code: undefined,
    modules: ['node:net', 'node:http', 'node:https', 'node:http2', 'node:tls', 'node:dgram', 'node:dns', 'undici'],
    instead: 'take a Net',
  },
  processes: {
    code: undefined,
    modules: ['node:child_process', 'node:cluster', 'node:worker_threads', 'piscina'],
    instead: 'take a Workers',
  },
} as const satisfies Record<string, { code: RegExp | undefined; modules: readonly string[]; instead: string }>;

export type WorldPart = keyof typeof WORLD;

/** The only production files that touch the world, and what of it. `*` stays inside a folder, `**` does not. */
export const ADAPTERS: readonly { readonly files: string; readonly may: readonly WorldPart[] }[] = [
  { files: 'fabric/clock.ts', may: ['time', 'timers'] },
  { files: 'fabric/disk*.ts', may: ['fs'] },
  { files: 'fabric/system-disk.ts', may: ['fs'] },
  // An environment's folder is created and made durable by whoever opens it.
  { files: 'fabric/lmdb.ts', may: ['fs'] },
  { files: 'fabric/random.ts', may: ['random'] },
  // The event loop's delay, which no clock can tell.
  { files: 'fabric/metrics.ts', may: ['time'] },
  { files: 'fabric/config*.ts', may: ['env', 'fs'] },
  { files: 'fabric/net*.ts', may: ['net', 'fs'] },
  { files: 'fabric/net/**', may: ['net', 'fs'] },
  // The environment, because uWebSockets.js takes its header limit from there alone.
  { files: 'fabric/http*.ts', may: ['net', 'env', 'fs'] },
  { files: 'fabric/http/**', may: ['net', 'env', 'fs'] },
  { files: 'fabric/worker*.ts', may: ['processes'] },
  // isIP alone, which is a pure function.
  { files: 'ring/device-spec.ts', may: ['net'] },
  // A volume's files and the processes that serve them.
  { files: 'block/host/**', may: ['fs', 'processes'] },
  { files: 'cli/**', may: ['time', 'timers', 'random', 'env', 'fs', 'net', 'processes'] },
];

/** Dependency -> where its one importing file lives. `many` is for what is no risk to spread. */
export const DEPENDENCY_HOMES: Readonly<Record<string, { readonly under: string; readonly many?: true }>> = {
  'uWebSockets.js': { under: 'fabric/http' },
  lmdb: { under: 'fabric/' },
  msgpackr: { under: 'fabric/' },
  'xxhash-wasm': { under: 'fabric/' },
  '@node-rs/crc32': { under: 'fabric/' },
  piscina: { under: 'fabric/' },
  pino: { under: 'fabric/' },
  'prom-client': { under: 'fabric/' },
  'smol-toml': { under: 'fabric/' },
  undici: { under: 'fabric/' },
  'lz4-napi': { under: 'fabric/' },
  'fast-xml-parser': { under: 'fabric/' },
  mrmime: { under: 'proxy/' },
  'ipaddr.js': { under: 'fabric/' },
  'tar-stream': { under: 'proxy/' },
  'seek-bzip': { under: 'fabric/' },
  busboy: { under: 'proxy/' },
  'pgsql-ast-parser': { under: 'proxy/s3/select' },
  ajv: { under: 'control/' },
  yaml: { under: 'control/' },
  commander: { under: 'cli/', many: true },
};

export const FILE_LINES_MAX = 500;

/** Enforced by biome's noExcessiveLinesPerFunction, which has a real parser; biome.json must say the same. */
export const FUNCTION_LINES_MAX = 70;

/** Files that may be longer, up to `lines`, and why. It only ever shrinks. */
export const LONG_FILES: Readonly<Record<string, { readonly lines: number; readonly why: string }>> = {};

/** Files that may hold a biome-ignore of the function limit, and why. It only ever shrinks. */
export const LONG_FUNCTIONS: Readonly<Record<string, string>> = {};
