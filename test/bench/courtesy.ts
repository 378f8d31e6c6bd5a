/** What clients notice of a move that nobody has asked a rate: their p99 while it goes on, beside that of the time before. */
import { arakoonWire } from '../../src/cli/bench/arakoon-wire.ts';
import { Load, type LoadResult } from '../../src/cli/bench/load.ts';
import { parseMix, Workload } from '../../src/cli/bench/operations.ts';
import { TcpLoadClient } from '../../src/cli/bench/tcp-client.ts';
import { eventsOf, FRONT, TestNursery } from '../support/nurseries.ts';
import { benchSettings, fill, type Stage } from './stage.ts';

const CLIENTS = 20;
const RUNS = 3;
/** Longest that a move may take (s): for a million keys at the lowest rate, twice as long. */
const MOVE_SECONDS_MAX = 1200;
/** Bytes of a key, and of its value. */
const SIZES = { keyBytes: 16, valueBytes: 100, rangeEntries: 100, sequenceUpdates: 100 };

type Scale = { readonly keys: number; readonly calmSeconds: number };

/** Moves so many keys there, back and there again, each time after a calm time; clients set keys of both clusters all the while. */
export async function courtesy({ lab, report }: Stage, { keys, calmSeconds }: Scale): Promise<void> {
  const nursery = await TestNursery.start(lab, {
    prefix: 'courtesy',
    keeperSize: 1,
    size: 3,
    extra: benchSettings(2),
  });
  const [ams, bru] = nursery.clusters;
  const all = Math.ceil(keys * 1.1);
  await fill(lab, ams.file, all);
  const border = String(keys).padStart(SIZES.keyBytes, '0');
  const rest = await nursery.run(['migrate', '--range', `${border}..`, '--to', bru.id]);
  if (rest.code !== 0) throw new Error(`migrate: ${rest.stderr}`);
  const clients = (seconds: number, until?: Promise<unknown>): Promise<LoadResult> => {
    const workload = new Workload(parseMix('set'), { ...SIZES, keys: all }, 1);
    const place = { host: '127.0.0.1', port: nursery.routerPort, cluster: FRONT };
    return new Load(workload, {
      ...{ connections: CLIENTS, outstanding: 1, warmUpSeconds: 1, seconds },
      ...(until === undefined ? {} : { until }),
      connect: async (load, lost) => new TcpLoadClient(load, place, arakoonWire, lost),
      onProgress: () => undefined,
    }).run();
  };

  report.begin(`a move of ${keys.toLocaleString('en-US')} keys beside ${CLIENTS} clients, at no rate`);
  const ratios: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const calm = await clients(calmSeconds);
    const target = run % 2 === 0 ? bru.id : ams.id;
    const command = nursery.start(['migrate', '--range', `..${border}`, '--to', target, '--json']);
    const moved = command.finished(MOVE_SECONDS_MAX * 1000);
    const beside = await clients(MOVE_SECONDS_MAX, moved);
    const { code, stdout, stderr } = await moved;
    if (code !== 0) throw new Error(`migrate: ${code} ${stderr.slice(-500)}`);
    const gaveWay = eventsOf(stdout).flatMap(({ givesWay }) => givesWay?.rate ?? []);
    const [before, during] = [calm, beside].map(({ tally, seconds }) => tally.figures(seconds).total);
    const row = (what: string, unit: string, measured: number, better: 'more' | 'less'): void =>
      report.add({ what: `run ${run + 1}: ${what}`, unit, measured, better });
    row('p99 before', 'ms', before?.latencyMs.p99 ?? 0, 'less');
    row('p99 during', 'ms', during?.latencyMs.p99 ?? 0, 'less');
    row('updates before', 'per second', before?.perSecond ?? 0, 'more');
    row('updates during', 'per second', during?.perSecond ?? 0, 'more');
    row('keys moved', 'keys/s', keys / beside.seconds, 'more');
    row('lowest rate while it gave way', 'KiB/s', Math.min(...gaveWay, Number.MAX_VALUE) / 1024, 'more');
    report.addErrors(beside.tally);
    ratios.push((during?.latencyMs.p99 ?? 0) / (before?.latencyMs.p99 ?? 1));
  }
  ratios.sort((a, b) => a - b);
  report.add({
    what: 'p99 during over p99 before, median of three',
    unit: 'factor',
    target: 2,
    measured: ratios[RUNS >> 1] as number,
    better: 'less',
  });
  for (const cluster of [nursery.keeper, ...nursery.clusters]) await cluster.killAll();
  await nursery.router.kill();
}
