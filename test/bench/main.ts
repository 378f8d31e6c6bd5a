/**
 * The benchmarks: `npm run bench`, everything but `compare`, `courtesy`, `large` and `size` within 15 minutes, one row for each target. Options: scenario
 * names to run only those (`npm run bench -- direct sharded`), `--minutes 10` for the memory scenario, `--millions 20` for the largest size,
 * `--case TEXT` for some rows of `direct`, `--keys N --calm SECONDS` for a shorter `courtesy`. Timings depend on the machine: compare what was measured in one run. Beside each row stands
 * what the last run here measured, kept in a file of the working directory.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Lab } from '../support/processes.ts';
import { compare } from './compare.ts';
import { courtesy } from './courtesy.ts';
import { crowd } from './crowd.ts';
import { direct, generator, memory } from './direct.ts';
import { growth } from './growth.ts';
import { large } from './large.ts';
import { overload } from './overload.ts';
import { protocol } from './protocol.ts';
import { rangeMap } from './range-map.ts';
import { failover, restart } from './recovery.ts';
import { Report } from './report.ts';
import { sharded } from './sharded.ts';
import { size } from './size.ts';
import type { Stage } from './stage.ts';
import { status } from './status.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    millions: { type: 'string', default: '4' },
    minutes: { type: 'string', default: '1' },
    case: { type: 'string', default: '' },
    keys: { type: 'string', default: '1000000' },
    calm: { type: 'string', default: '60' },
  },
});

const SCENARIOS: { readonly [name: string]: (stage: Stage) => void | Promise<void> } = {
  generator,
  direct: (stage) => direct(stage, values.case),
  sharded,
  failover,
  restart,
  overload,
  crowd,
  protocol,
  'range-map': rangeMap,
  status,
  growth,
  large,
  memory: (stage) => memory(stage, Number(values.minutes)),
  size: (stage) => size(stage, Number(values.millions)),
  compare,
  courtesy: (stage) => courtesy(stage, { keys: Number(values.keys), calmSeconds: Number(values.calm) }),
};

/** What is run only where it is named. */
const LONG = ['large', 'size', 'compare', 'courtesy'];
/** What was measured last, row by row. */
const KEPT = 'bench-last.json';

const unknown = positionals.filter((name) => SCENARIOS[name] === undefined);
if (unknown.length > 0) {
  console.error(
    `no scenario is called ${unknown.join(', ')}; there are: ${Object.keys(SCENARIOS).join(', ')}`,
  );
  process.exit(2);
}
const report = new Report(KEPT);
const startedMs = performance.now();
console.log(`${cpus().length} cores (${cpus()[0]?.model}), Node.js ${process.version}, ${busyness()}`);
for (const [name, run] of Object.entries(SCENARIOS)) {
  if (positionals.length > 0 ? !positionals.includes(name) : LONG.includes(name)) continue;
  const lab = new Lab();
  try {
    await run({ lab, report });
  } catch (error) {
    report.failed(name, (error as Error).message);
    console.error(lab.tails());
  } finally {
    await lab.close();
  }
}
console.log(
  `\n${report.summary()} in ${Math.round((performance.now() - startedMs) / 1000)} s, ${busyness()}`,
);
process.exit(0);

/** What else the machine was doing. */
function busyness(): string {
  return `load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`;
}
