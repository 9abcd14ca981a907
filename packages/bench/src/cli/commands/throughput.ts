import { loadSuite } from '../../config/load-suite.js';
import { applyFlags, flagPaths } from '../../config/run-flags.js';
import { explainEnd, runChild } from '../../orchestrator/child-process.js';
import { resolveConfig } from '../../plan/resolve-config.js';
import type { FailedRecord } from '../../records/record-schema.js';
import { failureText } from '../../records/record-schema.js';
import { absent, megabytes, percent, plainTable, rate } from '../../table/text-table.js';
import type { ThroughputCell } from '../../throughput/measure-throughput.js';
import type {
  PeerFailure,
  PeerName,
  ThroughputJob,
  ThroughputMessage,
} from '../../throughput/throughput-process.js';
import { exitCode, printJson, printMessage, printResult } from './output.js';

export interface ThroughputOptions {
  readonly suite?: string;
  readonly backend?: readonly string[];
  readonly method?: readonly string[];
  readonly model?: string;
  readonly batchSize: number;
  readonly classes: number;
  readonly time: number;
  readonly peers?: readonly PeerName[];
  readonly python: string;
  /** Whether the best matrix product is measured beside; true by default. */
  readonly peak?: boolean;
  readonly json?: boolean;
}

interface FailedMeasurement {
  readonly backend: string;
  readonly method: string;
  readonly error: FailedRecord['error'];
}

const measureEntry = new URL('../../throughput/throughput-process.js', import.meta.url);

/** Measures training steps of every method on every backend, each in a child process. */
export async function throughput(options: ThroughputOptions): Promise<number> {
  const {
    backend,
    method,
    model,
    batchSize: batch,
    classes,
    time: milliseconds,
    peers = [],
    python,
    peak = true,
    json,
  } = options;
  const flags = {
    ...(backend && { backend }),
    ...(method && { method }),
    ...(model !== undefined && { model: [model] }),
  };
  const suite = await loadSuite(options.suite ?? 'default');
  const changed = applyFlags(suite.config, flags);
  const { config, methods, backends } = await resolveConfig(changed, flagPaths(flags, changed));
  const cells: ThroughputCell[] = [];
  const failed: FailedMeasurement[] = [];
  const without: (PeerFailure & Pick<FailedMeasurement, 'backend' | 'method'>)[] = [];
  for (const { definition: engine, device, options: backendOptions } of backends) {
    for (const { definition, options: methodOptions, label } of methods) {
      printMessage(`Measuring ${label} on ${engine.name}:${device} ...`);
      const message = await measure({
        plugins: config.plugins,
        backend: engine.name,
        device,
        backendOptions,
        method: definition.name,
        methodOptions,
        label,
        model: config.models[0]!,
        classes,
        batch,
        milliseconds,
        peers,
        python,
        peak,
      });
      if (peers.includes('own') && engine.peer === undefined)
        printMessage(`${engine.name} has no library of its own to be measured beside.`);
      if (message.type === 'measured') {
        cells.push(message.cell);
        for (const failure of message.peerFailures)
          without.push({ backend: engine.name, method: label, ...failure });
      } else failed.push({ backend: engine.name, method: label, error: message.error });
    }
  }
  if (json) {
    printJson({
      cells,
      ...(failed.length > 0 && { failed }),
      ...(without.length > 0 && { peersFailed: without }),
    });
  }
  if (!json && cells.length > 0) printResult(throughputText(cells));
  for (const { backend: name, method: label, error } of failed) {
    printMessage(`${label} on ${name} failed: ${failureText(error)}`);
  }
  for (const { backend: name, method: label, peer, error } of without) {
    printMessage(`${label} on ${name} is not measured beside ${peer}: ${failureText(error)}`);
  }
  return failed.length + without.length === 0 ? exitCode.done : exitCode.failed;
}

async function measure(job: ThroughputJob): Promise<ThroughputMessage> {
  let told: ThroughputMessage | undefined;
  const end = await runChild({
    entry: measureEntry,
    job,
    onMessage: (message) => {
      told = message as ThroughputMessage;
    },
  });
  return told ?? { type: 'failed', error: explainEnd(end, null) };
}

function throughputText(cells: readonly ThroughputCell[]): string {
  // Not every backend tells what it takes of its device.
  const told = cells.some(({ deviceMemory }) => deviceMemory !== undefined);
  const table = plainTable(
    [
      { title: 'backend' },
      { title: 'method' },
      { title: 'batch', numeric: true },
      { title: 'images/s', numeric: true },
      { title: 'GFLOP/s', numeric: true },
      { title: 'peak\nGFLOP/s', numeric: true },
      { title: 'share of\npeak %', numeric: true },
      { title: 'peak\nMB', numeric: true },
      ...(told ? deviceColumns : []),
    ],
    cells.map((cell) => [
      `${cell.backend} ${cell.device}`,
      cell.method,
      String(cell.batch),
      rate(cell.imagesPerSecond),
      rate(cell.gflopsPerSecond),
      cell.peakGflopsPerSecond === undefined ? absent : rate(cell.peakGflopsPerSecond),
      cell.shareOfPeak === undefined ? absent : percent(cell.shareOfPeak),
      megabytes(cell.peakMemoryBytes),
      ...(told ? deviceTexts(cell) : []),
    ]),
  );
  return [
    `${cells[0]!.model}: whole training steps, from images to updated parameters; medians.`,
    table,
    'FLOPs are the program’s own after pruning; the peak is the best matrix product of the same process.',
    ...(told
      ? ['On the device: weights and states, computed values as planned, and what no plan can go below.']
      : []),
    ...peerText(cells),
  ].join('\n');
}

function peerText(cells: readonly ThroughputCell[]): readonly string[] {
  const compared = cells.flatMap((cell) => (cell.peers ?? []).map((peer) => ({ cell, peer })));
  if (compared.length === 0) return [];
  const table = plainTable(
    [
      { title: 'backend' },
      { title: 'method' },
      { title: 'peer' },
      { title: 'images/s', numeric: true },
      { title: 'the peer’s\nimages/s', numeric: true },
      { title: 'times\nas fast', numeric: true },
      { title: 'peak\nMB', numeric: true },
      { title: 'the peer’s\npeak MB', numeric: true },
    ],
    compared.map(({ cell, peer }) => [
      `${cell.backend} ${cell.device}`,
      cell.method,
      peer.name,
      rate(peer.ownImagesPerSecond),
      rate(peer.imagesPerSecond),
      peer.ratio.toFixed(2),
      ...(peer.peakMemoryBytes === undefined
        ? [absent, absent]
        : [megabytes(cell.peakMemoryBytes), megabytes(peer.peakMemoryBytes)]),
    ]),
  );
  const versions = new Set(
    compared.flatMap(({ peer }) =>
      peer.versions === undefined
        ? []
        : Object.entries(peer.versions)
            .map(([name, version]) => `${name} ${version}`)
            .join(', '),
    ),
  );
  return ['', 'Beside other libraries: the same training, by turns; medians.', table, ...versions];
}

const deviceColumns = ['weights,\nstates MB', 'values\nMB', 'at least\nMB', 'parts of\nbatch'].map(
  (title) => ({
    title,
    numeric: true,
  }),
);

function deviceTexts({ deviceMemory }: ThroughputCell): readonly string[] {
  if (deviceMemory === undefined) return deviceColumns.map(() => absent);
  const { weightBytes, stateBytes, plannedBytes, lowerBoundBytes, parts } = deviceMemory;
  return [
    megabytes(weightBytes + stateBytes),
    megabytes(plannedBytes),
    megabytes(lowerBoundBytes),
    String(parts),
  ];
}
