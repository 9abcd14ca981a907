/** The geometry and preprocessing of a checkpoint folder. */
export const configFile = 'config.json';
/** The weights of a checkpoint folder. */
export const weightsFile = 'model.safetensors';
/** Where transformers keeps the preprocessing. */
export const preprocessorFile = 'preprocessor_config.json';

/** What every checkpoint folder holds. */
export const checkpointFiles = [configFile, weightsFile] as const;
