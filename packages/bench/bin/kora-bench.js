#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { main } from '../dist/cli/main.js';

// `pnpm -C checkout bench` starts in the checkout; what is meant is the folder where it was typed.
const { INIT_CWD: typedIn, npm_package_name: script } = process.env;
if (typedIn !== undefined && script === 'kora-bench-monorepo') {
  const checkout = fileURLToPath(new URL('../../../', import.meta.url));
  if (`${process.cwd()}/` === checkout) process.chdir(typedIn);
}

// A reader that has seen enough, like `head`, is no failure.
process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? 0 : 1));
process.exitCode = await main(process.argv.slice(2));
