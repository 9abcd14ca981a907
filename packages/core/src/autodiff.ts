/* Gradients, appended to the same graph. */
export { gradients } from './autodiff/gradients.js';
