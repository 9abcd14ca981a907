import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { DeviceProbe } from '@kora-bench/core/backend';
import { makeFolder } from '@kora-bench/platform-node/atomic-file';
import { dataFolders } from '@kora-bench/platform-node/data-folders';
import { explainEnd, runChild } from '../../orchestrator/child-process.js';
import { readPluginsFile } from '../../registry/plugins.js';
import { loadKind } from '../../registry/registry.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';
import type { ProbeJob, ProbeMessage } from './probe-process.js';

type Probe = DeviceProbe & { readonly backend: string };

const probeEntry = new URL('./probe-process.js', import.meta.url);
const probeTimeout = 60_000;

/** Checks every backend, each in a child process: a driver that crashes or hangs shows as unavailable. */
export async function doctor({ json }: { readonly json?: boolean }): Promise<number> {
  const plugins = await readPluginsFile();
  const definitions = await loadKind('backends', plugins.backends);
  const backends: Probe[] = [];
  for (const { name, devices } of definitions.values()) {
    printMessage(`Trying ${name} ...`);
    const probes = await probe({ backend: name, plugins: plugins.backends }, devices);
    backends.push(...probes.map((one) => ({ backend: name, ...one })));
  }
  const { dataDir, cacheDir } = dataFolders();
  const result = {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    dataDir: { path: dataDir, exists: await can(dataDir, constants.R_OK) },
    cacheDir: { path: cacheDir, writable: await canWrite(cacheDir) },
    backends,
  };
  if (json) printJson(result);
  else {
    printResult(`Node ${result.node} on ${result.platform}, ${result.cpu}, ${result.cores} cores`);
    printResult(`Memory: ${(result.memoryBytes / 1e9).toFixed(1)} GB`);
    printResult(`Data:   ${dataDir}${result.dataDir.exists ? '' : ' (does not exist; set KORA_DATA_DIR)'}`);
    printResult(
      `Cache:  ${cacheDir}${result.cacheDir.writable ? '' : ' (cannot be written; set KORA_CACHE_DIR)'}`,
    );
    for (const one of backends) printResult(probeText(one));
  }
  return backends.some(({ available }) => available) ? exitCode.done : exitCode.failed;
}

function probeText({ backend, device, available, detail, fix, facts = {} }: Probe): string {
  const more = Object.entries(available || fix === undefined ? facts : { ...facts, fix });
  const lines = more.map(([name, value]) => `    ${name}: ${value}`);
  return [`${available ? '✓' : '✗'} ${backend}:${device}  ${detail}`, ...lines].join('\n');
}

async function probe(job: ProbeJob, devices: readonly string[]): Promise<readonly DeviceProbe[]> {
  let told: ProbeMessage | undefined;
  const end = await runChild({
    entry: probeEntry,
    job,
    limits: { totalMs: probeTimeout },
    onMessage: (message) => {
      told = message as ProbeMessage;
    },
  });
  if (told !== undefined) return told.probes;
  const { message, received } = explainEnd(end, null);
  const detail =
    received === null ? `Trying it failed: ${message}` : `Trying it failed: ${message} (${received})`;
  return devices.map((device) => ({
    device,
    available: false,
    detail,
    fix: 'Check the installation of its driver.',
  }));
}

async function can(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function canWrite(path: string): Promise<boolean> {
  try {
    makeFolder(path);
  } catch {
    return false;
  }
  return can(path, constants.W_OK);
}
