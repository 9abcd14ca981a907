import { writeSync } from 'node:fs';
import { firstLine, KoraError } from '@kora-bench/core/errors';
import type { FeatureName } from './features.js';
import { openGpu } from './gpu.js';
import type { MissingFeatures, Survey } from './survey.js';
import { surveyAdapter } from './survey.js';

/*
 * The program that `checkDriver` starts: checks the adapter and prints what it does and finds, one JSON document
 * per line, so that the lines before a crash tell what was being checked.
 */

/** What is to be checked. */
export interface CheckJob {
  readonly powerPreference?: GPUPowerPreference;
  readonly skipped: MissingFeatures;
}

/** One line of what the process prints. */
export type CheckMessage =
  | { readonly type: 'checking'; readonly feature: FeatureName }
  | { readonly type: 'found'; readonly survey: Survey }
  | { readonly type: 'failed'; readonly message: string; readonly received: string; readonly fix?: string };

function tell(message: CheckMessage): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

try {
  const { skipped, ...options } = JSON.parse(process.argv[2]!) as CheckJob;
  const survey = await surveyAdapter(await openGpu(), options, skipped, (feature) =>
    tell({ type: 'checking', feature }),
  );
  tell({ type: 'found', survey });
} catch (error) {
  const { message, received, fix } =
    error instanceof KoraError ? error : { message: 'WebGPU cannot be used.' };
  tell({
    type: 'failed',
    message,
    received: received ?? firstLine(error),
    ...(fix !== undefined && { fix }),
  });
}

// Nothing that the driver still does matters.
process.exit(0);
