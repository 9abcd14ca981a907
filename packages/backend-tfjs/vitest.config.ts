import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Most of the suite's time is lavapipe compiling kernels that run once; without LLVM's optimisations it
    // takes two thirds of it.
    env: { GALLIVM_PERF: 'nopt' },
  },
});
