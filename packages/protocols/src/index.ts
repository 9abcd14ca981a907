import type { ProtocolDefinition } from '@kora-bench/core/training';
import { asPublished } from './as-published.js';
import { fewShot } from './few-shot.js';
import { full } from './full.js';
import { stratified } from './stratified.js';

export { asPublished, fewShot, full, stratified };

/** The protocols of this package. */
export const protocols = [full, stratified, fewShot, asPublished] as readonly ProtocolDefinition[];
