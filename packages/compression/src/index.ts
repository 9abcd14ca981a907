export {
  type AreaSpec,
  areaUnderFront,
  type CurvePoint,
  type Direction,
  frontOf,
  smallestReaching,
  valueWithin,
} from './curve.js';
export { type Form, formName, formsFor } from './forms.js';
export { type QuantisedRow, quantiseRow, rowValues } from './row-quantiser.js';
export {
  type Codec,
  decodeUpdate,
  encodeUpdate,
  type TensorLayout,
  type UpdateTensor,
} from './update-codec.js';
