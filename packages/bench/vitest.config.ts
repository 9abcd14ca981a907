import { defineConfig } from 'vitest/config';

// Many tests start several processes each, and a machine that is busy with others starts them slowly.
export default defineConfig({
  test: { testTimeout: 300_000, hookTimeout: 300_000, expect: { poll: { timeout: 60_000 } } },
});
