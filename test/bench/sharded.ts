/** A nursery: the router's price, and migrations that nobody should notice. */
import { present } from '../../src/base/assert.ts';
import { eventsOf, TestNursery } from '../support/nurseries.ts';
import {
  benchSettings,
  coreShares,
  fill,
  KEYS,
  load,
  type Measured,
  RunningLoad,
  type Stage,
  WARM,
} from './stage.ts';

/** A value that takes its time on every disk and link (bytes). */
const LARGE_BYTES = 4 * 1024 * 1024;
/** A tenth of the keys. */
const FEW = KEYS / 10;

export async function sharded({ lab, report }: Stage): Promise<void> {
  const nursery = await TestNursery.start(lab, {
    prefix: 'bench',
    keeperSize: 1,
    size: 3,
    extra: benchSettings(2),
  });
  const [ams, bru] = nursery.clusters;
  await fill(lab, ams.file, KEYS);

  report.begin('through the router, 100 connections');
  for (const mix of ['set', 'get']) {
    const straight = await load(lab, ams.file, { ...WARM, mix });
    const routed = await load(lab, nursery.file, { ...WARM, mix });
    report.add({
      what: `${mix}s straight at the master`,
      unit: 'per second',
      measured: straight.perSecond,
      better: 'more',
    });
    report.add({
      what: `${mix}s through the router`,
      unit: 'per second',
      measured: routed.perSecond,
      better: 'more',
    });
    report.add({
      what: `${mix}s, router over straight`,
      unit: 'share',
      target: 0.6,
      measured: routed.perSecond / straight.perSecond,
      better: 'more',
    });
  }

  const pipelined = { connections: 10, outstanding: 50 };
  for (const [what, file] of [
    ['straight at the master', ams.file],
    ['through the router', nursery.file],
  ] as const) {
    const { perSecond } = await load(lab, file, { ...WARM, ...pipelined });
    report.add({
      what: `sets of 10 connections, 50 outstanding, ${what}`,
      unit: 'per second',
      measured: perSecond,
      better: 'more',
    });
  }

  report.begin('migrations');
  const idle = await migrate(nursery, '', bru.id, KEYS);
  report.add({
    what: '1,000,000 keys, idle',
    unit: 'keys/s',
    target: 60_000,
    measured: idle.keysPerSecond,
    better: 'more',
  });

  const busy = await migrateUnderLoad(nursery, { lab, report }, '', ams.id, KEYS);
  report.add({
    what: '1,000,000 keys under 20 clients',
    unit: 'keys/s',
    target: 25_000,
    measured: busy.keysPerSecond,
    better: 'more',
  });
  report.add({
    what: 'the same: pause at the switch',
    unit: 'ms',
    target: 30,
    measured: busy.pauseMs,
    better: 'less',
  });
  report.add({
    what: 'the same: longest answer',
    unit: 'ms',
    measured: busy.clients.latencyMs.max,
    better: 'less',
  });
  report.addErrors(busy.clients);

  const few = await migrateUnderLoad(nursery, { lab, report }, '0000000000100000', bru.id, FEW);
  report.add({
    what: 'a tenth of the range: pause at the switch',
    unit: 'ms',
    target: 30,
    measured: few.pauseMs,
    better: 'less',
  });
  report.add({
    what: 'ten times the range: pause',
    unit: 'factor',
    target: 2,
    measured: busy.pauseMs / few.pauseMs,
    better: 'less',
  });

  report.begin('fairness: small sets of 10 clients beside heavy work');
  const sets = { connections: 10, keys: FEW, seconds: 10 };
  const pids = [ams, bru].flatMap((cluster) =>
    cluster.nodes.map(({ name }) => present(cluster.process(name).pid, 'process')),
  );
  const calm = coreShares(pids);
  const alone = await load(lab, nursery.file, sets);
  const calmShares = calm.end();
  const crowded = coreShares(pids);
  const ranges = new RunningLoad(lab, ams.file, {
    mix: 'range-entries',
    'range-entries': 100_000,
    connections: 1,
    seconds: 12,
  });
  const small = new RunningLoad(lab, nursery.file, sets);
  const moved = migrate(nursery, '0000000000200000', bru.id, FEW);
  const beside = await small.result();
  const crowdedShares = crowded.end();
  const { unitsPerSecond } = await ranges.result();
  await moved;
  report.add({ what: 'p99 alone', unit: 'ms', measured: alone.latencyMs.p99, better: 'less' });
  report.add({
    what: 'p99 beside 100,000-entry ranges and a migration',
    unit: 'ms',
    target: alone.latencyMs.p99 + 10,
    measured: beside.latencyMs.p99,
    better: 'less',
  });
  for (const [when, { ran, waited }] of [
    ['alone', calmShares],
    ['beside them', crowdedShares],
  ] as const) {
    report.add({ what: `a node runs, ${when}`, unit: 'share of a core', measured: ran, better: 'less' });
    report.add({ what: `and waits for one, ${when}`, unit: 'share', measured: waited, better: 'less' });
  }
  const large = new RunningLoad(lab, ams.file, {
    connections: 1,
    keys: 20,
    'value-bytes': LARGE_BYTES,
    seconds: 8,
  });
  const besideLarge = await load(lab, nursery.file, { ...sets, seconds: 6 });
  await large.result();
  report.add({
    what: 'p99 beside values of 4 MiB',
    unit: 'ms',
    target: alone.latencyMs.p99 + 10,
    measured: besideLarge.latencyMs.p99,
    better: 'less',
  });
  report.add({
    what: 'entries read meanwhile',
    unit: 'per second',
    measured: unitsPerSecond,
    better: 'more',
  });
  for (const cluster of [nursery.keeper, ...nursery.clusters]) await cluster.killAll();
  await nursery.router.kill();
}

type Migrated = { readonly keysPerSecond: number; readonly pauseMs: number };

/** More than any copy brings: what is asked gives way to nobody. */
const AS_FAST_AS_IT_CAN = ['--rate', '1000000000'];

/** Moves everything below `to` (all where empty) to `target`, however clients fare: `courtesy` measures those. */
async function migrate(nursery: TestNursery, to: string, target: string, keys: number): Promise<Migrated> {
  const beganMs = performance.now();
  const command = nursery.start([
    ...['migrate', '--range', `..${to}`, '--to', target, '--json'],
    ...AS_FAST_AS_IT_CAN,
  ]);
  const { code, stdout, stderr } = await command.finished(300_000);
  const seconds = (performance.now() - beganMs) / 1000;
  const ended = eventsOf(stdout).filter(({ event }) => event === 'ended');
  if (code !== 0 || ended.length === 0) throw new Error(`migrate: ${code} ${stderr.slice(-500)}`);
  return { keysPerSecond: keys / seconds, pauseMs: Math.max(...ended.map(({ pauseMs = 0 }) => pauseMs)) };
}

/** The same, while 20 clients set keys of all ranges through the router. */
async function migrateUnderLoad(
  nursery: TestNursery,
  { lab }: Stage,
  to: string,
  target: string,
  keys: number,
): Promise<Migrated & { readonly clients: Measured }> {
  const running = new RunningLoad(lab, nursery.file, { connections: 20, keys, seconds: keys / 25_000 + 5 });
  const migrated = await migrate(nursery, to, target, keys);
  return { ...migrated, clients: await running.result() };
}
