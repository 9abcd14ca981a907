/* Named errors that say where, what was expected, what came, and how to mend it. */
export {
  BackendError,
  CheckpointError,
  DTypeError,
  FormatError,
  firstLine,
  InputError,
  InternalError,
  KoraError,
  type KoraErrorDetails,
  MethodError,
  MissingDataError,
  ShapeError,
  TrainingError,
} from './errors/kora-error.js';
