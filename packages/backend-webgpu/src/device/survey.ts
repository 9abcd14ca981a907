import { firstLine } from '@kora-bench/core/errors';
import { featureChecks } from './feature-checks.js';
import type { DeviceFeatures, FeatureName } from './features.js';
import { featureNames, noFeatures, webgpuNames } from './features.js';
import type { AdapterFacts, DeviceRequest, GpuEntry } from './gpu.js';
import { describeAdapter, requestAdapter } from './gpu.js';

/** Why features are not used, by name. */
export type MissingFeatures = Readonly<Partial<Record<FeatureName, string>>>;

/** What an adapter is and what it can do, found by checking; plain data. */
export interface Survey {
  readonly adapter: AdapterFacts;
  readonly features: DeviceFeatures;
  readonly missing: MissingFeatures;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Checks every feature of the adapter in this process.
 * @param skipped features that are not checked
 * @param onCheck called with each feature before it is checked, so that a crash can be explained
 * @throws BackendError when there is no adapter
 */
export async function surveyAdapter(
  entry: GpuEntry,
  request: Pick<DeviceRequest, 'powerPreference'>,
  skipped: MissingFeatures,
  onCheck: (name: FeatureName) => void = () => {},
): Promise<Survey> {
  const facts = describeAdapter(await requestAdapter(entry, request));
  const missing: Partial<Record<FeatureName, string>> = { ...skipped };
  let features = noFeatures;
  for (const name of featureNames) {
    if (name in skipped) continue;
    const adapter = await requestAdapter(entry, request);
    if (!adapter.features.has(webgpuNames[name])) {
      missing[name] = 'the adapter does not offer them';
      continue;
    }
    onCheck(name);
    try {
      features = { ...features, [name]: await featureChecks[name](adapter, features) };
    } catch (cause) {
      missing[name] = firstLine(cause);
    }
  }
  return { adapter: facts, features, missing, versions: entry.versions };
}
