import { existsSync } from 'node:fs';
import { findSwiftShader } from '@kora-bench/testing/chromium';
import { configDefaults, defineConfig } from 'vitest/config';

/** What SwiftShader cannot do (16-bit floats, NaN and infinities), and training on the machine's own driver. */
const onItsOwn = ['precision', 'not-finite', 'toy-training'].map((name) => `test/${name}.test.ts`);

const driverChosen = process.env['VK_DRIVER_FILES'] !== undefined;
const gpu = ['/dev/dri/renderD128', '/dev/nvidiactl'].some((path) => existsSync(path));
const swiftShader = driverChosen || gpu ? undefined : findSwiftShader();

// Software drivers compile kernels that run once, which is most of the suite's time: SwiftShader is ten times as fast
// at it as Mesa's lavapipe, which takes two thirds of its time without LLVM's optimisations.
const ownDriver = { GALLIVM_PERF: 'nopt' };

export default defineConfig({
  test:
    swiftShader === undefined
      ? { exclude: [...configDefaults.exclude, 'test/toy-training.test.ts'], env: ownDriver }
      : {
          projects: [
            {
              test: {
                name: 'SwiftShader',
                include: ['test/*.test.ts'],
                exclude: onItsOwn,
                env: { VK_DRIVER_FILES: swiftShader },
              },
            },
            { test: { name: 'own driver', include: onItsOwn, env: ownDriver } },
          ],
        },
});
