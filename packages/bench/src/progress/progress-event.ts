/** What a running cell tells its parent, over the process's IPC channel. */
export type ProgressEvent =
  | { readonly kind: 'phase'; readonly phase: string; readonly totalSteps: number }
  | {
      readonly kind: 'step';
      readonly phase: string;
      /** Steps done, and how many there are in this phase. */
      readonly step: number;
      readonly totalSteps: number;
      readonly loss: number | null;
      readonly imagesPerSecond: number;
    }
  | { readonly kind: 'message'; readonly text: string };

export type ReportProgress = (event: ProgressEvent) => void;
