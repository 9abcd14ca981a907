import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DoneRecord, RunPlan } from '@kora-bench/bench';
import { formatReport, readPlan, recordSchema } from '@kora-bench/bench';
import { main } from '@kora-bench/bench/cli';
import { parse } from 'csv-parse/sync';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { fixture, temporaryFolder } from './fake-run.js';

const template = recordSchema.parse(
  JSON.parse(readFileSync(fixture('done-record.json'), 'utf8')),
) as DoneRecord;
const hostile = 'a_b & 50 % {x} $1 #2 ~^\\ <i>|`*';

/** A cell with its first phase alone, or all of them. */
function record(label: string, seed: number, top1: number, phases = 1): DoneRecord {
  const made = structuredClone(template);
  made.phases = made.phases.slice(0, phases);
  made.phases[0]!.draws[0]!.evaluations[0]!.values['top1'] = top1;
  made.cell = { ...made.cell, id: `${label}-${seed}`, label, seed };
  made.config.methods = [{ name: 'lora', label: 'lora (published)', preset: 'published', options: {} }];
  return made;
}

const seeds = [0.6, 0.62, 0.64].map((top1, seed) => record('lora (published)', seed, top1));

describe('Markdown', () => {
  test('has a table for each phase: mean ± standard deviation, interval, seeds, chance and notes', () => {
    const text = formatReport('md', 'mine', seeds);
    expect(text).toContain('# KoRA Bench: mine');
    expect(text).toContain('100 training images; scored on 100 test images; chance: top-1 1.0 %.');
    expect(text).toContain(
      '| method | learning rate | seeds | top-1 % | macro F1 |\n| --- | ---: | ---: | ---: | ---: |',
    );
    expect(text).toContain('| lora (published) | 0.005 | 3 | 62.0 ± 2.0 \\[56.9, 66.8] |');
    expect(text).toContain('- trained on ImageNet-21k, fine-tuned on ImageNet-1k');
    expect(text).toContain('Its numbers mean little.');
  });

  test('takes names as text', () => {
    const line = formatReport('md', 'x', [record(hostile, 0, 0.5)])
      .split('\n')
      .find((text) => text.startsWith('| a'))!;
    expect(line).toContain('a\\_b & 50 % {x} $1 \\#2 \\~^\\\\ \\<i\\>\\|\\`\\*');
    expect(line.match(/(?<!\\)\|/g)).toHaveLength(6);
  });

  test('strikes out what does not measure what it seems to', () => {
    const text = formatReport('md', 'x', [record('lora', 0, 0.5, 4)]);
    expect(text).toMatch(/NOT: own labels top-1 %/);
    expect(text).toContain('~~98.2 \\[98.0, 98.5]~~');
  });
});

describe('LaTeX', () => {
  test('has a booktabs table for each phase, with nothing that a row or cell could break', () => {
    const text = formatReport('latex', 'mine', seeds);
    expect(text).toContain(
      '\\toprule\n    method & learning rate & seeds & top-1 \\% & macro F1 \\\\\n    \\midrule',
    );
    expect(text).toContain(
      '    lora (published) & 0.005 & 3 & 62.0 $\\pm$ 2.0 {\\footnotesize {[}56.9, 66.8{]}} & 0.605 $\\pm$ 0.000',
    );
    expect(text).toContain('\\label{tab:source}');
    expect(text.match(/\\begin\{table\}/g)).toHaveLength(2);
    expect(text.match(/\\end\{table\}/g)).toHaveLength(2);
  });

  test('escapes every sign that LaTeX would read, and writes others as commands', () => {
    const text = formatReport('latex', 'x', [record(hostile, 0, 0.5, 4)]);
    expect(text).toContain(
      'a\\_b \\& 50 \\% \\{x\\} \\$1 \\#2 \\textasciitilde{}\\textasciicircum{}\\textbackslash{} $<$i$>$$|$`* & 0.005',
    );
    expect(text).toContain('$\\delta$$<$1.25 \\%');
    const outsideComments = text.replace(/^%.*$/gm, '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what every engine takes
    expect(outsideComments).not.toMatch(/[^\x00-\x7f]/);
  });
});

describe('CSV', () => {
  test('has a line for each method, phase, evaluation and metric, with numbers as they were measured', () => {
    const lines = parse(formatReport('csv', 'x', seeds), { columns: true }) as Record<string, string>[];
    expect(lines).toHaveLength(template.phases[0]!.metrics.length);
    const top1 = lines.find(({ metric }) => metric === 'top1')!;
    expect(top1).toMatchObject({
      method: 'lora (published)',
      preset: 'published',
      learning_rate: '0.005',
      phase: 'source',
      evaluation: 'test',
      seeds: '3',
      measurements: '3',
      chance: '0.01',
      training_images: '100',
      scored_images: '100',
    });
    expect(Number(top1['mean'])).toBeCloseTo(0.62, 12);
    expect(Number(top1['standard_deviation'])).toBeCloseTo(0.02, 12);
    expect(Number(top1['interval_low'])).toBeCloseTo(0.569, 3);
  });

  test('of cells has every single measurement', () => {
    const lines = parse(formatReport('cells-csv', 'x', seeds), { columns: true }) as Record<string, string>[];
    const top1 = lines.filter(({ metric }) => metric === 'top1');
    expect(top1.map(({ seed, value }) => [seed, value])).toEqual([
      ['0', '0.6'],
      ['1', '0.62'],
      ['2', '0.64'],
    ]);
  });

  test('keeps names with commas, quotes and line breaks whole', () => {
    const label = 'a, "b"\nc';
    const lines = parse(formatReport('csv', 'x', [record(label, 0, 0.5)]), { columns: true }) as {
      method: string;
    }[];
    expect(new Set(lines.map(({ method }) => method))).toEqual(new Set([label]));
  });
});

test.each(['md', 'latex', 'csv', 'cells-csv'] as const)(
  'a run without a finished cell is a report too: %s',
  (format) => {
    expect(() => formatReport(format, 'x', [])).not.toThrow();
  },
);

describe('report RUN', () => {
  afterEach(() => vi.restoreAllMocks());

  /** A run folder with some records. */
  function runFolder(): string {
    const run = temporaryFolder();
    const plan: RunPlan = {
      schemaVersion: 2,
      suite: 'x',
      createdAt: template.startedAt,
      config: template.config,
      cells: seeds.map(({ cell }) => cell),
    };
    mkdirSync(join(run, 'records'));
    writeFileSync(join(run, 'run.json'), JSON.stringify(plan));
    for (const one of seeds) writeFileSync(join(run, 'records', `${one.cell.id}.json`), JSON.stringify(one));
    return run;
  }

  const output = () => {
    const written: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    return written;
  };

  test('writes the page into the run folder, other formats to stdout, and either where --out says', async () => {
    const run = runFolder();
    expect((await readPlan(run)).cells).toHaveLength(3);
    const written = output();
    expect(await main(['report', run])).toBe(0);
    expect(written.join('')).toBe(`${join(run, 'report.html')}\n`);
    expect(readFileSync(join(run, 'report.html'), 'utf8')).toContain('62.0 ± 2.0');
    written.length = 0;
    expect(await main(['report', run, '--format', 'latex'])).toBe(0);
    expect(written.join('')).toContain('\\toprule');
    written.length = 0;
    const paper = join(run, 'tables', 'paper.md');
    expect(await main(['report', run, '--format', 'md', '--out', paper])).toBe(0);
    expect(written.join('')).toBe(`${paper}\n`);
    expect(readFileSync(paper, 'utf8')).toContain('| lora (published) |');
    written.length = 0;
    expect(await main(['report', run, '--out', '-'])).toBe(0);
    expect(written.join('')).toMatch(/^<!doctype html>/);
  });

  test('refuses a format that there is not', async () => {
    let stderr = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += String(text);
      return true;
    });
    expect(await main(['report', runFolder(), '--format', 'pdf'])).toBe(2);
    expect(stderr).toContain('html, md, latex, csv, cells-csv');
  });
});
