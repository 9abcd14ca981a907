import { defineConfig } from 'vite';

/**
 * One classic script and one style sheet, so that pages also work from a file: address, where browsers load no modules.
 * They go beside the types that tsc writes.
 */
export default defineConfig({
  build: {
    outDir: 'dist',
    emptyOutDir: false,
    target: 'es2022',
    reportCompressedSize: false,
    lib: {
      entry: 'src/page/main.ts',
      formats: ['iife'],
      name: 'koraBenchPage',
      fileName: () => 'page.js',
      cssFileName: 'page',
    },
  },
});
