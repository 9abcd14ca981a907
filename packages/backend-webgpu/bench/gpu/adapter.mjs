import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';

/*
 * Shows the adapter, its driver and what it can do, and tells by the exit code what it computes on: 0 a GPU,
 * 10 the CPU, 11 nothing, for there is no adapter.
 *   node bench/gpu/adapter.mjs [--quiet] [--why]
 * `--why` looks for an adapter in this process, so that what the Vulkan loader and Dawn print can be seen; with
 * VK_LOADER_DEBUG=all it is all that they have to say.
 */
const { values: args } = parseArgs({
  options: { quiet: { type: 'boolean', default: false }, why: { type: 'boolean', default: false } },
});
if (args.why) {
  const { create } = await import('webgpu');
  const adapter = await create(['enable-dawn-features=allow_unsafe_apis']).requestAdapter();
  console.error(`adapter: ${adapter === null ? 'none' : adapter.info.description || adapter.info.device}`);
  process.exit(0);
}
const [probe] = await definition.probe();
const say = (line) => args.quiet || console.log(line);
if (!probe.available) {
  say(`no adapter: ${probe.detail}`);
  process.exit(11);
}
say(`adapter: ${probe.detail}`);
for (const [name, fact] of Object.entries(probe.facts)) say(`${name}: ${fact}`);
process.exit(probe.facts['computes on'] === 'a GPU' ? 0 : 10);
