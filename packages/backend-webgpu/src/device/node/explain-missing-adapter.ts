/**
 * Why there is no adapter and what helps, from what Dawn printed while it looked for one; nothing when it
 * printed nothing that is known.
 */
export function explainMissingAdapter(log: string): { readonly received?: string; readonly fix?: string } {
  const loader = /Couldn't load Vulkan[^\n]*/.exec(log);
  if (loader) {
    const fix = 'Install the Vulkan loader (Debian and Ubuntu: libvulkan1) and a driver for the GPU.';
    return { received: loader[0], fix };
  }
  // The first line of a warning says what the driver lacks, the second that this refused its adapter.
  const refused = /^(?:Warning: )?([^\n]+)\n - While initializing adapter/m.exec(log);
  if (refused) {
    return {
      received: `a driver that is too old: ${refused[1]}`,
      fix:
        'Update the driver. For Mesa on Debian 12, whose 22.3 is too old, install mesa-vulkan-drivers 25 from ' +
        'bookworm-backports.',
    };
  }
  return /Found no drivers/.test(log) ? { received: 'no Vulkan driver' } : {};
}
