import type { Command } from 'commander';
import { Option } from 'commander';
import type { Report } from './arguments.js';
import { backend, json, method, names, port, positive, positiveInteger, wholeNumber } from './arguments.js';

/* The commands that look at more than one run: revisions, runs and results over time, beside each other. */

export function addCompare(program: Command, report: Report, cellEntry?: string | URL): void {
  program
    .command('compare')
    .description('what got better or worse from one run to others, with tests')
    .argument('<base>', 'a run folder, a folder of records, a record, or HISTORY@COMMIT; alone, a file of ab')
    .argument('[heads...]', 'what to compare with it, likewise')
    .option('--all', 'also show what did not change')
    .option(
      '--confirm',
      'run the head’s cells again that have something worse; only what is worse again counts',
    )
    .option('--history <folder>', 'a history, whose series say how noisy measurements are')
    .option('--ignore <settings>', 'settings that may differ, e.g. learningRate,training.learningRate', names)
    .addOption(json())
    .option('--markdown', 'print Markdown, for a pull request')
    .option('--html <file>', 'also write a page')
    .action(async (base, heads, options) =>
      report(await (await import('./commands/compare.js')).compare(base, heads, options, cellEntry)),
    );
}

export function addHistory(program: Command, report: Report): void {
  const history = program.command('history').description('results over time, in a folder that git can hold');
  const folder = () => new Option('--history <folder>', 'the history’s folder').default('history');
  const code = async () => import('./commands/history.js');
  history
    .command('add')
    .description('add the finished cells of runs')
    .argument('<runs...>', 'run folders, folders of records, or latest')
    .option('--commit <hash>', 'the commit of what was measured, where that is not the suite itself')
    .addOption(folder())
    .action(async (runs, options) => report(await (await code()).addToHistory(runs, options)));
  history
    .command('list')
    .description('the series, their shifts and marks')
    .addOption(folder())
    .addOption(json())
    .action(async (options) => report(await (await code()).showHistory(options)));
  history
    .command('accept')
    .description('mark that the change at a commit is accepted')
    .argument('<commit>', 'its beginning')
    .argument('<text>', 'why')
    .option('--series <name>', 'in this series alone')
    .option('--measure <key>', 'of this measure alone, e.g. source/test/top1')
    .option('--by <name>', 'who accepts it (default: git’s user.name)')
    .addOption(folder())
    .action(async (commit, text, options) =>
      report(await (await code()).acceptInHistory(commit, text, options)),
    );
  history
    .command('prune')
    .description('remove entries; those of commits with a mark stay')
    .option('--keep <n>', 'newest entries of each series and seed that stay', positiveInteger)
    .option('--before <date>', 'remove what is older')
    .option('--dirty', 'remove what was measured with changes that were not committed')
    .addOption(folder())
    .action(async (options) => report(await (await code()).pruneHistory(options)));
  history
    .command('export')
    .description('write it in a format of others')
    .addOption(
      new Option('--format <name>', 'the format')
        .choices(['bmf', 'github-action-benchmark', 'asv', 'csv', 'parquet'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'where the files go')
    .addOption(folder())
    .action(async (options) => report(await (await code()).exportHistory(options)));
  history
    .command('import')
    .description('add results of asv or in Bencher’s format')
    .argument('<path>', 'asv’s folder results, or a JSON file')
    .addOption(new Option('--format <name>', 'the format').choices(['asv', 'bmf']).makeOptionMandatory())
    .option('--testbed <name>', 'the machine, which BMF does not say')
    .option('--commit <hash>', 'the commit, which BMF does not say')
    .option('--date <date>', 'when it was measured, which BMF does not say (default: now)')
    .addOption(folder())
    .action(async (path, options) => report(await (await code()).importHistory(path, options)));
}

const setUp = () =>
  new Option(
    '--setup <line>',
    'prepare each revision with this shell line (default: install by its lockfile, and its script build)',
  );
const bin = () =>
  new Option(
    '--bin <path>',
    'the command line in each revision (default: the one of the checkout, the installed one, or this one)',
  );

export function addAb(program: Command, report: Report): void {
  program
    .command('ab')
    .description('compare the speed and memory of two revisions, built and measured by turns on this machine')
    .argument('<base>', 'a branch, tag or commit, or a folder in a checkout')
    .argument('[head]', 'likewise; a folder counts with the changes that are in it', '.')
    .option('--suite <name>', 'whose methods, backends and models (default: default)')
    .addOption(backend())
    .addOption(method())
    .option('--model <name>', 'backbone: a name, a repository of the hub, or a checkpoint’s folder')
    .option('--batch-size <n>', 'images per step (default: the suite’s)', positiveInteger)
    .option('--classes <n>', 'outputs of the head (default: 100)', positiveInteger)
    .option('--time <ms>', 'how long each single measurement takes, milliseconds', positiveInteger, 1000)
    .option('--rounds <n>', 'measurements of each side; fewer than 5 can tell nothing', positiveInteger, 15)
    .option('--minutes <n>', 'at most so many, with the confirmation of what seems worse', positive)
    .addOption(setUp())
    .addOption(bin())
    .option('--out <file>', 'the file of all measurements (default: runs/<time>-ab.json)')
    .option('--all', 'also show what did not change')
    .addOption(json())
    .option('--markdown', 'print Markdown, for a pull request')
    .action(async (base, head, options) =>
      report(await (await import('./commands/ab.js')).ab(base, head, options)),
    );
}

export function addCi(program: Command, report: Report): void {
  const ci = program.command('ci').description('what CI does with changes, and with what was merged');
  const shared = (name: string, description: string) =>
    ci
      .command(name)
      .description(description)
      .argument('[flags...]', 'behind --: more flags of `run`, e.g. -- --seeds 0,1 --epochs 2')
      .option('--suite <name>', 'a suite’s name or the path of a JSON file (default: default)')
      .option('--quick', 'lay the quick suite over it')
      .addOption(method())
      .addOption(backend())
      .option('--model <names>', 'backbones: names, repositories of the hub, or checkpoints’ folders', names)
      .option('--head <revision>', 'what is run: a branch, tag or commit, or a folder in a checkout', 'HEAD')
      .addOption(setUp())
      .addOption(bin())
      .option('--out <folder>', 'where everything goes; new or empty', 'bench-ci');
  shared('compare', 'run a suite on a change and on what it is based on, compare, and write a comment')
    .requiredOption('--base <revision>', 'what the head branched off from, e.g. origin/main')
    .option(
      '--speed-rounds <n>',
      'measurements of speed and memory by turns on each side; 0: none',
      wholeNumber,
      10,
    )
    .option('--speed-minutes <n>', 'at most so many for these', positive, 20)
    .addOption(json())
    .action(async (flags, options) =>
      report(await (await import('./commands/ci.js')).ciCompare(flags, options)),
    );
  shared('record', 'run a suite, add it to the history on a branch, and write the dashboard')
    .option('--branch <name>', 'the branch of the history; begun where there is none', 'bench-history')
    .option('--history <folder>', 'the history in that branch', 'history')
    .option('--remote <name>', 'where it is pushed to', 'origin')
    .option('--no-push', 'keep the branch in this repository')
    .option('--site <folder>', 'also write the dashboard of the history')
    .action(async (flags, options) =>
      report(await (await import('./commands/ci.js')).ciRecord(flags, options)),
    );
}

export function addDashboard(program: Command, report: Report): void {
  const sources = 'a history and run folders, or latest (default: the folder history and the latest run)';
  const code = async () => import('./commands/dashboard.js');
  program
    .command('dashboard')
    .description('write a site: what changed, methods compared, series over time, every cell')
    .argument('[folders...]', sources)
    .option('--out <folder>', 'where the site goes', 'site')
    .action(async (folders, options) => report(await (await code()).dashboard(folders, options)));
  program
    .command('serve')
    .description('show the same in a browser, live while a run is going')
    .argument('[folders...]', sources)
    .option('--port <number>', 'on this machine; 0 for any that is free', port, 8470)
    .action(async (folders, options) => report(await (await code()).serve(folders, options)));
}
