/** What the built package's package.json says. */

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** What the built package adds: where its command and its library are, and nothing that only development needs. */
export function builtManifest(own: Manifest, imported: ReadonlySet<string>, hasLibrary: boolean): object {
  const unknown = [...imported].filter((name) => own.dependencies[name] === undefined);
  if (unknown.length > 0) throw new Error(`imported and not in dependencies: ${unknown.join(', ')}`);
  const { name, version, description, license, engines } = own;
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    engines,
    bin: { causeway: 'cli/main.js' },
    ...(hasLibrary && {
      exports: { '.': { types: './index.d.ts', default: './index.js' }, './package.json': './package.json' },
    }),
    dependencies: Object.fromEntries(
      Object.entries(own.dependencies).filter(([dependency]) => imported.has(dependency)),
    ),
  };
}

/** The packages that built code imports when it runs: `lmdb`, `@lydell/node-pty`. */
export function importedPackages(code: string): string[] {
  const specifiers = code.matchAll(
    /^(?:import|export)\s(?:[^'"`;=]*?\sfrom\s)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
  );
  return [...specifiers]
    .map((match) => match[1] ?? match[2] ?? '')
    .filter((specifier) => !/^(\.|node:|#)/.test(specifier))
    .map((specifier) =>
      specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/'),
    );
}
