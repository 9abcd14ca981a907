import { firstLine } from '@kora-bench/core';
import type { WebgpuOptions } from '../options.js';
import type { AdapterFacts } from './adapter.js';
import { describeAdapter, requestAdapter } from './adapter.js';
import { featureTrials } from './feature-trials.js';
import type { DeviceFeatures, FeatureName } from './features.js';
import { featureNames, noFeatures, webgpuNames } from './features.js';
import type { GpuEntry } from './gpu.js';
import { openGpu, surroundingGpu } from './gpu.js';
import { importDriverTrial } from './node-half.js';

/** Why features are not used, by name. */
export type MissingFeatures = Readonly<Partial<Record<FeatureName, string>>>;

/** What an adapter is and what it can do, found by trying; plain data. */
export interface Survey {
  readonly adapter: AdapterFacts;
  readonly features: DeviceFeatures;
  readonly missing: MissingFeatures;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Finds out what the adapter can do; in Node in a process of its own, because drivers can crash or hang.
 * @throws BackendError when there is no adapter or its driver does not work
 */
export async function survey(options: WebgpuOptions): Promise<Survey> {
  const skipped = turnedOff(options);
  if (surroundingGpu() !== undefined) return surveyAdapter(await openGpu(), options, skipped);
  return (await importDriverTrial()).tryDriver(options, skipped);
}

/**
 * Tries every feature of the adapter in this process.
 * @param skipped features that are not tried
 * @param onTrial is told what is about to be tried, for whoever must explain a crash
 * @throws BackendError when there is no adapter
 */
export async function surveyAdapter(
  entry: GpuEntry,
  options: Pick<WebgpuOptions, 'powerPreference'>,
  skipped: MissingFeatures,
  onTrial: (name: FeatureName) => void = () => {},
): Promise<Survey> {
  const facts = describeAdapter(await requestAdapter(entry, options));
  const missing: Partial<Record<FeatureName, string>> = { ...skipped };
  let features = noFeatures;
  for (const name of featureNames) {
    if (name in skipped) continue;
    const adapter = await requestAdapter(entry, options);
    if (!adapter.features.has(webgpuNames[name])) {
      missing[name] = 'the adapter does not offer them';
      continue;
    }
    onTrial(name);
    try {
      features = { ...features, [name]: await featureTrials[name](adapter, features) };
    } catch (cause) {
      missing[name] = firstLine(cause);
    }
  }
  return { adapter: facts, features, missing, versions: entry.versions };
}

/** Why features are left out that the user turned off. */
function turnedOff({ disabledFeatures }: Pick<WebgpuOptions, 'disabledFeatures'>): MissingFeatures {
  return Object.fromEntries(
    disabledFeatures.map((name) => [name, 'turned off by the option disabledFeatures']),
  );
}
