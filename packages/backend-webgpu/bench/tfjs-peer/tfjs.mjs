import '../dawn.mjs';
import '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs';

/** tfjs on its WebGPU backend. The whole package is needed: `tfjs-core` alone brings no gradients to Node. */
await tf.setBackend('webgpu');

export { tf };
