// Checks package-lock.json and package.json: every version exact, every package of every platform listed.
// npm ci refuses a lockfile that lacks an optional package of another platform, and npm install drops those that its
// registry does not hold, so a clean clone would fail where this tree still works.

interface LockEntry {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export function checkLockfile({ packages }: Lockfile): string[] {
  return Object.entries(packages).flatMap(([where, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => packages[`${where}/node_modules/${name}`] === undefined)
      .filter((name) => packages[`node_modules/${name}`] === undefined)
      .map((name) => `package-lock.json lacks ${name}, which ${where} may need on another platform`),
  );
}

export function checkPins({ dependencies = {}, devDependencies = {} }: Manifest): string[] {
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !/^(?:npm:[\w@/.-]+@)?\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => `package.json: ${name} is not pinned exactly: ${version}`);
}
