import type { DeviceProbe } from '@kora-bench/core';
import { firstLine, KoraError } from '@kora-bench/core';
import type { WebgpuOptions } from '../options.js';
import type { DeviceFeatures, FeatureName } from './features.js';
import { featureNames, hasFeature } from './features.js';
import type { Survey } from './survey.js';
import { survey } from './survey.js';

/** Tries the GPU; what it is and can do, or why it cannot be used. Never throws. */
export async function probeDevice(device: string, options: WebgpuOptions): Promise<DeviceProbe> {
  try {
    const found = await survey(options);
    return { device, available: true, detail: found.adapter.name, facts: factsOf(found) };
  } catch (error) {
    if (!(error instanceof KoraError)) return { device, available: false, detail: firstLine(error) };
    const { message, received, fix } = error;
    const detail = received === undefined ? message : `${message.replace(/\.$/, '')}: ${received}`;
    return { device, available: false, detail, ...(fix !== undefined && { fix }) };
  }
}

function factsOf({ adapter, features, missing }: Survey): Record<string, string> {
  const { driver, software, maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } =
    adapter;
  const able = featureNames.map((name) => [
    titles[name],
    hasFeature(features, name) ? `yes${detailOf(features, name)}` : `no: ${missing[name] ?? 'not tried'}`,
  ]);
  return {
    driver: driver === '' ? 'unknown' : driver,
    'computes on': software ? 'the CPU (a software driver)' : 'a GPU',
    'largest buffer': bytesText(maxBufferSize),
    'largest tensor': bytesText(Math.min(maxBufferSize, maxStorageBufferBindingSize)),
    'shared memory': bytesText(maxComputeWorkgroupStorageSize),
    ...(Object.fromEntries(able) as Record<string, string>),
  };
}

const titles: Readonly<Record<FeatureName, string>> = {
  f16: '16-bit floats',
  subgroups: 'subgroups',
  subgroupMatrix: 'subgroup matrices',
  timestamps: 'timestamp queries',
};

function detailOf({ subgroups, subgroupMatrix }: DeviceFeatures, name: FeatureName): string {
  switch (name) {
    case 'subgroups': {
      const { min, max } = subgroups!;
      return min === max ? `, of ${min} lanes` : `, of ${min} to ${max} lanes`;
    }
    case 'subgroupMatrix':
      return `, ${subgroupMatrix
        .map((one) => `${one.componentType}→${one.resultComponentType} ${one.M}×${one.N}×${one.K}`)
        .join(', ')}`;
    default:
      return '';
  }
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'] as const;
  let unit = 0;
  while (bytes >= 1024 ** (unit + 1) - 1 && unit < units.length - 1) unit++;
  return `${Number((bytes / 1024 ** unit).toPrecision(4))} ${units[unit]}`;
}
