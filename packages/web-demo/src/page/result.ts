import { KoraError } from '@kora-bench/core/errors';
import { element } from './element.js';

/** What the page's `<script id="result">` holds as JSON once a run has ended. */
export type PageResult =
  | {
      readonly state: 'done';
      readonly device: string;
      readonly losses: readonly number[];
      /** Over all steps but the first, in which many drivers compile the kernels. */
      readonly imagesPerSecond: number;
    }
  | {
      readonly state: 'failed';
      readonly message: string;
      /** Stable code of the suite's own errors. */
      readonly code?: string;
      readonly fix?: string;
    };

/** Puts a result into the page; `undefined` takes the last one away. */
export function publish(result: PageResult | undefined): void {
  element('result', HTMLScriptElement).textContent = result === undefined ? '' : JSON.stringify(result);
}

export function failed(error: unknown): PageResult {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof KoraError)) return { state: 'failed', message };
  const { code, fix } = error;
  return { state: 'failed', message, code, ...(fix !== undefined && { fix }) };
}
