import { BackendError } from '@kora-bench/core/errors';

/**
 * Finds out what keeps a page from WebGPU, in words for someone in front of a browser; the backend's own
 * errors speak of drivers and packages.
 * @throws BackendError with the fix
 */
export async function checkWebgpu(): Promise<void> {
  if (!isSecureContext) {
    throw new BackendError('This page was not loaded securely, and browsers keep WebGPU from such pages.', {
      where: location.origin,
      expected: 'https, or http on localhost',
      received: location.protocol,
      fix: 'Open the page through https or from localhost.',
    });
  }
  const gpu = (navigator as { gpu?: GPU }).gpu;
  if (gpu === undefined) {
    throw new BackendError('This browser has no WebGPU.', {
      where: 'navigator.gpu',
      expected: 'a browser with WebGPU: Chrome or Edge 113, Safari 26, Firefox 141 on Windows, or later ones',
      received: navigator.userAgent,
      fix: 'Update the browser or use another one.',
    });
  }
  if ((await gpu.requestAdapter()) === null) {
    throw new BackendError('WebGPU finds no GPU here.', {
      where: 'navigator.gpu.requestAdapter()',
      expected: 'an adapter',
      received: 'none',
      fix:
        'Turn on hardware acceleration in the browser’s settings and update the graphics driver. Chromium without ' +
        'a GPU: start it with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader.',
    });
  }
}
