#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// `pnpm -C checkout bench` starts in the checkout; what is meant is the folder where it was typed.
const { INIT_CWD: typedIn, npm_package_name: script } = process.env;
if (typedIn !== undefined && script === 'kora-bench-monorepo') {
  const checkout = fileURLToPath(new URL('../../../', import.meta.url));
  if (`${process.cwd()}/` === checkout) process.chdir(typedIn);
}

// A reader that has seen enough, like `head`, is no failure.
process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? 0 : 1));

const words = process.argv.slice(2);
const cli = await import('../dist/cli/main.js').catch((error) => {
  // Only a checkout has the sources that it is built from.
  const isCheckout = existsSync(new URL('../tsconfig.json', import.meta.url));
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || !isCheckout) throw error;
  const failure = {
    code: 'NOT_BUILT',
    message: 'This checkout is not built.',
    where: fileURLToPath(new URL('..', import.meta.url)),
    expected: 'its dependencies installed, and a folder dist in every package',
    received: error.message.split('\n')[0],
    fix: 'Run in the checkout: npx -y pnpm@10.34.8 install && npx -y pnpm@10.34.8 build',
  };
  if (words.includes('--json')) console.log(JSON.stringify({ error: failure }, null, 2));
  const details = ['where', 'expected', 'received', 'fix'].map(
    (name) => `\n  ${`${name}:`.padEnd(10)}${failure[name]}`,
  );
  console.error(failure.message + details.join(''));
  process.exit(2);
});
process.exitCode = await cli.main(words);
