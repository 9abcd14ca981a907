import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { withAdapter } from './with-adapter.js';

const script = fileURLToPath(new URL('../bench/gpu/bundle.mjs', import.meta.url));
const steps = fileURLToPath(new URL('../bench/gpu/compare-steps.mjs', import.meta.url));
const canBundle = process.platform === 'linux' && process.arch === 'x64';

withAdapter(() => {
  it.runIf(canBundle)('the bundle for GPU machines has all that its scripts need, for one platform', () => {
    const listed = execFileSync(process.execPath, [script, '--list'], { encoding: 'utf8' });
    for (const path of [
      'node',
      'find-driver.sh',
      'lib/libvulkan.so.1',
      'node_modules/@kora-bench/backend-webgpu/dist/index.js',
      'node_modules/@kora-bench/peer-pytorch/dist/index.js',
      'node_modules/@kora-bench/peer-pytorch/python/peer_pytorch.py',
      'node_modules/@kora-bench/testing/dist/timed-programs.js',
      'node_modules/@kora-bench/conformance/dist/cases.js',
      'node_modules/webgpu/dist/linux-x64/dawn.node',
      'node_modules/zod/index.js',
    ])
      expect(listed).toContain(`  ${path}\n`);
    expect(listed).not.toMatch(/darwin|win32|linux-arm|node_modules\/vitest/);
  });

  it('its training steps run, and say so where there is no PyTorch beside them', () => {
    const small =
      '--depth 1 --width 16 --heads 1 --image 32 --batch 2 --steps 1 --rounds 1 --methods linear-probe';
    const { stdout } = spawnSync(
      process.execPath,
      [steps, ...small.split(' '), '--half', '', '--compiled', '', '--python', 'no-such-python'],
      { encoding: 'utf8', env: { ...process.env, GALLIVM_PERF: 'nopt' } },
    );
    expect(stdout).toContain('without PyTorch: There is no PyTorch to be measured beside');
    expect(stdout).toMatch(/^linear-probe +f32 +\d/m);
    expect(stdout).not.toContain('FAILED');
  });
});
