export { type Canvas, createCanvas, type View } from './canvas.js';
export { type Camera, type DepthScene, traceScene, viewRay } from './depth-family.js';
export {
  createProceduralDataset,
  type ProceduralDatasetName,
  type ProceduralOptions,
  proceduralDatasets,
} from './procedural-datasets.js';
export { proceduralImageSize } from './procedural-split.js';
export { castRay, noHit, type RayHit, type Solid, type Surface, type Vector } from './ray-scene.js';
