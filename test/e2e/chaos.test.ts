/**
 * A whole nursery of real processes that are killed, stopped and restarted at random while clients work and ranges
 * move; what clients saw must be linearizable. `CHAOS_SECONDS` says for how long, `CHAOS_SEED` repeats a plan of faults.
 */
import { randomInt } from 'node:crypto';
import * as assert from 'uvu/assert';
import { allCaughtUp, compareReplicas, type Moves, movesOf } from '../support/chaos/aftermath.ts';
import { type Asker, LinkAsker, TcpAsker } from '../support/chaos/asker.ts';
import { ChaosClients } from '../support/chaos/clients.ts';
import { Fleet } from '../support/chaos/fleet.ts';
import { Mover } from '../support/chaos/mover.ts';
import { Nemesis } from '../support/chaos/nemesis.ts';
import { planFaults } from '../support/chaos/plan.ts';
import { GENERATIONS_MAX, STILL_VALUE, stillKeys } from '../support/chaos/space.ts';
import { LEASE_MS } from '../support/clusters.ts';
import { FRONT } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { createRandom, type Random } from '../support/random.ts';
import { until, within } from '../support/wait.ts';

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 10);
const SEED = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 32));
/** Clients on each protocol, through the routers; beside them one straight at each data cluster. */
const CLIENTS_EACH = 6;
/** How long clients stay on the same keys (ms); longer where there would be too many generations. */
const GENERATION_MS = Math.max(15_000, (SECONDS * 1000) / (GENERATIONS_MAX - 1));
/** From the last fault until every call has its answer (ms): clients wait for 12 s at most. */
const SETTLED_MS = 20_000;
/** Far less than what runs on a busy machine: a run that does nothing shows nothing. */
const CALLS_LEAST = 20 * SECONDS;
const FAULTS_LEAST = SECONDS / 3;
const MOVES_LEAST = Math.max(1, SECONDS / 30);

const tests = labSuite('chaos');

tests.test(
  'kill -9, stops and restarts of everything under load, with ranges moving: the history is linearizable',
  async (lab) => {
    console.log(
      `chaos for ${SECONDS} s (repeat the plan of faults: CHAOS_SEED=${SEED} CHAOS_SECONDS=${SECONDS})`,
    );
    const fleet = await Fleet.start(lab, 'chaos');
    const random = createRandom(SEED);
    const faults = planFaults(random, SECONDS, LEASE_MS);
    const still = stillKeys(Math.ceil((SECONDS * 1000) / GENERATION_MS));
    const clients = new ChaosClients();
    await fill(fleet, still);
    startClients(fleet, clients, random);
    const mover = new Mover(fleet.nursery, createRandom(random.below(2 ** 32)), () => clients.generation);
    lab.closing(() => {
      clients.abandon();
      void mover.stop();
    });
    const nemesis = new Nemesis(fleet, () => mover.current);
    await nemesis.run(faults, ({ atMs }) => {
      if (atMs > (clients.generation + 1) * GENERATION_MS) clients.nextGeneration();
      clients.throwIfFailed();
      assert.equal(fleet.deaths, []);
      assert.equal(mover.failures, []);
    });

    const healedAtMs = performance.now();
    await nemesis.heal();
    await mover.stop();
    await allCaughtUp(fleet);
    // On a busy machine every command may have been killed before it began; and daemons may be finishing the last.
    await movesOf(fleet);
    await mover.once();
    const moves = await movesOf(fleet);
    console.log(`all is well ${Math.round(performance.now() - healedAtMs)} ms after the last fault`);
    await within(SETTLED_MS, 'the last answers', clients.stop());
    await clients.readAll('last, over TCP', tcp(fleet, 0));
    await clients.readAll('last, over a link', new LinkAsker(fleet.front));
    await expectStill(fleet, still);
    const rows = await compareReplicas(fleet);
    report(clients, nemesis, mover, moves, rows);
    const beganMs = performance.now();
    clients.check();
    console.log(`linearizable: checked in ${Math.round(performance.now() - beganMs)} ms`);
    assert.equal(fleet.deaths, []);
    assert.ok(clients.calls > CALLS_LEAST, 'clients did next to nothing');
    assert.ok(nemesis.total > FAULTS_LEAST, 'next to nothing failed');
    assert.ok(moves.done >= MOVES_LEAST, 'next to nothing moved');
    for (const member of fleet.members) await member.kill();
  },
  (SECONDS + 240) * 1000,
);

tests.run();

function tcp(fleet: Fleet, first: number): Asker {
  return new TcpAsker(FRONT, fleet.routerPorts, first);
}

function startClients(fleet: Fleet, clients: ChaosClients, random: Random): void {
  const seed = (): number => random.below(2 ** 32);
  for (let n = 0; n < CLIENTS_EACH; n += 1) {
    clients.start(`tcp ${n}`, tcp(fleet, n), seed());
    clients.start(`link ${n}`, new LinkAsker(fleet.front), seed());
  }
  for (const { id, nodes } of fleet.nursery.clusters) {
    const ports = nodes.map(({ clientPort }) => clientPort);
    clients.start(`straight at ${id}`, new TcpAsker(id, ports, 0), seed());
  }
}

/** Rows that are there before anything fails, and stay as they are. */
async function fill(fleet: Fleet, keys: readonly string[]): Promise<void> {
  const client = await until('a router', () => fleet.nursery.connect());
  await client.sequence(keys.map((key) => ({ kind: 'set', key, value: STILL_VALUE })));
}

async function expectStill(fleet: Fleet, keys: readonly string[]): Promise<void> {
  const client = await fleet.nursery.connect();
  const values = await client.multiGetOption(keys);
  const lost = keys.filter((_, index) => values[index]?.toString() !== STILL_VALUE);
  assert.equal(lost, [], 'rows that nobody changed');
}

function report(
  clients: ChaosClients,
  nemesis: Nemesis,
  mover: Mover,
  moves: Moves,
  rows: ReadonlyMap<string, number>,
): void {
  const { calls, done, refused, unknown, kinds, refusals, longestMs } = clients.tally();
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([what, count]) => `${what} ${count}`).join(', ');
  console.log(
    [
      `${calls} operations: ${done} done, ${refused} refused, ${unknown} of unknown outcome; longest ${Math.round(longestMs)} ms`,
      `done: ${list(kinds)}`,
      `refused: ${list(refusals)}`,
      `${nemesis.total} faults: ${list(nemesis.counts)}`,
      `migrations: ${moves.done} done, ${moves.aborted} aborted; commands ended with ${list(mover.ends)}`,
      `rows equal on all replicas: ${list(rows)}`,
    ].join('\n'),
  );
}
