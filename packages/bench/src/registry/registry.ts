import type { BackendDefinition, DatasetDefinition, MethodDefinition } from '@kora-bench/core';
import type { ModelDefinition } from '@kora-bench/models';

/** What is registered, by kind; names are unique within a kind. */
export interface Registry {
  readonly methods: ReadonlyMap<string, MethodDefinition>;
  readonly backends: ReadonlyMap<string, BackendDefinition>;
  readonly datasets: ReadonlyMap<string, DatasetDefinition>;
  readonly models: ReadonlyMap<string, ModelDefinition>;
}
