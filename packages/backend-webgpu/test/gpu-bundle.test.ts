import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { withAdapter } from './with-adapter.js';

const script = fileURLToPath(new URL('../bench/gpu/bundle.mjs', import.meta.url));
const canBundle = process.platform === 'linux' && process.arch === 'x64';

withAdapter(() => {
  it.runIf(canBundle)('the bundle for GPU machines has all that its scripts need, for one platform', () => {
    const listed = execFileSync(process.execPath, [script, '--list'], { encoding: 'utf8' });
    for (const path of [
      'node',
      'find-driver.sh',
      'lib/libvulkan.so.1',
      'node_modules/@kora-bench/backend-webgpu/dist/index.js',
      'node_modules/@kora-bench/backend-webgpu/bench/gpu/peer_pytorch.py',
      'node_modules/@kora-bench/testing/dist/timed-programs.js',
      'node_modules/@kora-bench/conformance/dist/cases.js',
      'node_modules/webgpu/dist/linux-x64/dawn.node',
      'node_modules/zod/index.js',
    ])
      expect(listed).toContain(`  ${path}\n`);
    expect(listed).not.toMatch(/darwin|win32|linux-arm|node_modules\/vitest/);
  });
});
