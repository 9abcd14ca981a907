export type { Cost } from './cost.js';
export { bytesOf, nodeCost, programCost } from './cost.js';
export { peakLiveBytes } from './liveness.js';
export { lowerComposites } from './lower-composites.js';
export type { Visit } from './rewrite.js';
export { inputsOf, makeProgram, nodeOf, rewriteGraph, rewriteProgram } from './rewrite.js';
export { simplify } from './simplify.js';
