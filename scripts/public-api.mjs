/**
 * Keeps what every package exports, as text in `api/`: one file per package, one declaration per exported name.
 * Needs built packages.
 *
 *     node scripts/public-api.mjs            # fails and shows the difference where an export changed
 *     node scripts/public-api.mjs --write    # takes the change over
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Project } from 'ts-morph';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'api');
const write = process.argv.includes('--write');

const project = new Project({
  compilerOptions: { module: 199, moduleResolution: 99, target: 99, skipLibCheck: true },
  skipAddingFilesFromTsConfig: true,
});

/** The text of a package's exports, subpath by subpath. */
function apiOf(name) {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
  const parts = [`# ${manifest.name}`];
  for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
    const types = typeof target === 'string' ? undefined : target.types;
    if (types === undefined) continue;
    const file = project.addSourceFileAtPath(join(root, 'packages', name, types));
    const declarations = [...file.getExportedDeclarations()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([exported, nodes]) => nodes.map((node) => textOf(exported, node)));
    parts.push(`## ${subpath}`, ...declarations.map((text) => `    ${text.replaceAll('\n', '\n    ')}`));
  }
  return `${parts.join('\n\n')}\n`;
}

/** A declaration without comments. */
function textOf(exported, node) {
  const statement = node.getKindName() === 'VariableDeclaration' ? node.getVariableStatement() : node;
  const text = (statement ?? node)
    .getText()
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/^\s*\n/gm, '')
    .replace(/[ \t]+$/gm, '')
    .replace(/^(export )?(declare )?/, '')
    .trim();
  const own = new RegExp(`\\b${exported.replace('$', '\\$')}\\b`).test(text);
  return own ? text : `${exported} = ${text}`;
}

/** The lines that differ, as a reader needs them. */
function difference(before, after) {
  const old = new Set(before.split('\n'));
  const now = new Set(after.split('\n'));
  return [
    ...before
      .split('\n')
      .filter((line) => !now.has(line))
      .map((line) => `  - ${line.trim()}`),
    ...after
      .split('\n')
      .filter((line) => !old.has(line))
      .map((line) => `  + ${line.trim()}`),
  ];
}

const names = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json')),
);
mkdirSync(folder, { recursive: true });
const kept = new Set();
let changed = 0;
for (const name of names) {
  const text = apiOf(name);
  if (!text.includes('\n## ')) continue;
  const path = join(folder, `${name}.md`);
  kept.add(`${name}.md`);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (before === text) continue;
  changed++;
  if (write) writeFileSync(path, text);
  else
    console.error(
      [`The public API of ${name} changed:`, ...difference(before, text).slice(0, 40)].join('\n'),
    );
}
for (const file of readdirSync(folder).filter((name) => !kept.has(name))) {
  changed++;
  if (write) rmSync(join(folder, file));
  else console.error(`api/${file} belongs to no package.`);
}
if (changed > 0 && !write) {
  console.error('If that is meant, run `node scripts/public-api.mjs --write` and say it in CHANGELOG.md.');
  process.exitCode = 1;
}
