/** What it costs a node of 10 M keys in 1,000 ranges to count its load, and to say how it is; in this process alone. */
import { nodeFamilies } from '../../node/serve/metrics.ts';
import { nodeFacts } from '../../node/serve/status.ts';
import { exposition } from '../../src/metrics/families.ts';
import { Recording } from '../../src/port/recording.ts';
import { SILENT } from '../../src/process/log.ts';
import { encodeAnswer } from '../../src/protocol/admin/admin.ts';
import { Operations } from '../../src/protocol/arakoon/operations.ts';
import { OK } from '../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../src/protocol/arakoon/requests.ts';
import { type LargeNode, largeNode } from '../support/large-node.ts';
import type { Stage } from './stage.ts';

const RANGES = 1000;
const REQUESTS = 5_000_000;
const ANSWERS = 300;
const SCRAPES = 100;

export async function status({ report }: Pick<Stage, 'report'>): Promise<void> {
  report.begin('a node of 10 M keys in 1,000 ranges: what it says of itself');
  const node = largeNode(RANGES, new Operations(0));
  const { context, load } = node;
  counting({ report }, node);
  const answer = await costOf(
    ANSWERS,
    () => encodeAnswer({ kind: 'nodeFacts', ...nodeFacts(context) }).length,
  );
  report.add({ what: 'a status answer', unit: 'ms of CPU', target: 5, measured: answer.ms, better: 'less' });
  report.add({ what: 'its length', unit: 'KiB', measured: answer.last / 1024, better: 'less' });
  const scrape = await costOf(
    SCRAPES,
    async () => (await exposition(nodeFamilies(context))).split('\n').length,
  );
  report.add({ what: 'a scrape', unit: 'ms of CPU', target: 10, measured: scrape.ms, better: 'less' });
  report.add({ what: 'its length', unit: 'lines', measured: scrape.last, better: 'less' });
  const look = await costOf(ANSWERS, () => {
    load.look();
    return 0;
  });
  report.add({
    what: 'looking at the load, 20 times a second',
    unit: 'ms of CPU',
    measured: look.ms,
    better: 'less',
  });
}

/** The cost of one request, with the key that was asked for last, and with any other. */
function counting({ report }: Pick<Stage, 'report'>, { load, keys }: LargeNode): void {
  for (const [what, stride] of [
    ['counting a request, in the range of the one before', 0],
    ['counting a request, in any range', 7919],
  ] as const) {
    const begun = process.cpuUsage();
    for (let at = 0; at < REQUESTS; at += 1)
      load.answered('get', keys[(at * stride) % keys.length] as string, 30, OK);
    report.add({ what, unit: 'ns of CPU', measured: perRequestNs(begun), better: 'less' });
  }
  const recording = new Recording({ logger: SILENT, nowMs: () => performance.now(), wallMs: Date.now });
  const frame = encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: keys[0] as string });
  for (const what of ['timing a request', 'timing a request, and counting it']) {
    const begun = process.cpuUsage();
    for (let at = 0; at < REQUESTS; at += 1) recording.timed('get', frame, () => undefined, keys[0])(OK);
    report.add({ what, unit: 'ns of CPU', measured: perRequestNs(begun), better: 'less' });
    recording.heard = load.answered;
  }
}

function perRequestNs(begun: NodeJS.CpuUsage): number {
  return (cpuMs(begun) * 1e6) / REQUESTS;
}

/** CPU time of `work` by itself (ms), after a tenth of all calls that do not count, and what the last one gave. */
async function costOf(
  count: number,
  work: () => number | Promise<number>,
): Promise<{ readonly ms: number; readonly last: number }> {
  for (let at = 0; at < count / 10; at += 1) await work();
  const begun = process.cpuUsage();
  let last = 0;
  for (let at = 0; at < count; at += 1) last = await work();
  return { ms: cpuMs(begun) / count, last };
}

/** The process's own time, which others on the machine do not lengthen by much. */
function cpuMs(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}
