import type { TaskDefinition } from '@kora-bench/core';
import { classification } from './classification.js';
import { depth } from './depth.js';

export { classification, classificationTask } from './classification.js';
export { depth, depthTask } from './depth.js';

/** The tasks of this package. */
export const tasks: readonly TaskDefinition[] = [classification, depth] as readonly TaskDefinition[];
