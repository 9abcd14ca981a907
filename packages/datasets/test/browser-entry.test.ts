import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

test('what a page imports has no Node built-in and no package but core', () => {
  const visited = new Set<string>();
  const packages = new Set<string>();
  const visit = (url: URL) => {
    if (visited.has(url.href)) return;
    visited.add(url.href);
    const code = readFileSync(url, 'utf8');
    for (const [, name] of code.matchAll(
      /^(?:import|export)\b[^;]*?from '([^']+)';$|^import '([^']+)';$/gm,
    )) {
      if (name!.startsWith('.')) visit(new URL(name!.replace(/\.js$/, '.ts'), url));
      else packages.add(name!);
    }
  };
  visit(new URL('../src/browser.ts', import.meta.url));
  expect(visited.size).toBeGreaterThan(8);
  for (const name of packages) expect(name).toMatch(/^@kora-bench\/core\//);
});
