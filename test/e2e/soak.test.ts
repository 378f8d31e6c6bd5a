/**
 * A hostile crowd beside working clients: every call of the clients is answered in time, and when the crowd is gone the processes
 * have the memory and the sockets that they had before. `SOAK_SECONDS` says for how long, `SOAK_SEED` repeats who comes.
 */
import { randomInt } from 'node:crypto';
import * as assert from 'uvu/assert';
import { ownMemoryOf, socketsOf, type Target } from '../support/crowd.ts';
import { HOSTILE_KINDS, Hostile } from '../support/hostile.ts';
import { Load } from '../support/load.ts';
import { FRONT, TestNursery } from '../support/nurseries.ts';
import { labSuite, type NurseryProcess } from '../support/processes.ts';
import { createRandom } from '../support/random.ts';
import { pause, until } from '../support/wait.ts';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 8);
const SEED = Number(process.env['SOAK_SEED'] ?? randomInt(2 ** 32));
const MIB = 1024 * 1024;
/** Working clients, and the keys of each. */
const CLIENTS = 6;
const KEYS = 20;
/** What the crowd asks for (bytes), in values of 1 MiB. */
const VALUES = 16;
/** Within this a call must be answered (ms): what clients wait unless told otherwise. */
const DEADLINE_MS = 10_000;
/** Long enough that a busy machine is not taken for a dead master, whose loss clients would see. */
const LEASE_SECONDS = '10';
/** Before the crowd comes, so that memory is that of processes at work (ms). */
const WARM_MS = Math.min(20_000, SECONDS * 200);
/** Memory may end above where it began by what the engine leaves itself (bytes). */
const LEFT_MAX = 160 * MIB;
/** On a busy machine some of the crowd have left before they are accepted; a process hears of it one after the other (ms). */
const LEAVING_MS = 120_000;
/** How often memory is looked at (ms). */
const LOOK_EVERY_MS = 500;

const tests = labSuite('soak');

tests.test(
  'a hostile crowd beside working clients leaves nothing behind',
  async (lab) => {
    console.log(`soak for ${SECONDS} s (the same crowd again: SOAK_SEED=${SEED} SOAK_SECONDS=${SECONDS})`);
    const nursery = await TestNursery.start(lab, {
      prefix: 'soak',
      keeperSize: 1,
      size: SECONDS > 60 ? 3 : 1,
      extra: { lease_period: LEASE_SECONDS },
    });
    const [ams] = nursery.clusters;
    const filler = await nursery.connect();
    for (let n = 0; n < VALUES; n += 1) await filler.set(`big ${n}`, Buffer.alloc(MIB, n));
    const keysOf = (client: number): string[] => Array.from({ length: KEYS }, (_, n) => `c${client} ${n}`);
    const load = Load.start({ clients: CLIENTS, keysOf, maybeAllowed: false }, () =>
      nursery.persistentCaller(),
    );
    await pause(WARM_MS);
    await load.more(CLIENTS);

    const processes = [
      nursery.router,
      ...nursery.all.flatMap((cluster) => cluster.nodes.map(({ name }) => cluster.process(name))),
    ];
    const before = processes.map(measured);
    const most = processes.map(() => 0);
    const targets: Target[] = [{ port: nursery.routerPort, cluster: FRONT }];
    for (const { clientPort: port } of ams.nodes) targets.push({ port, cluster: ams.id });
    const hostile = new Hostile(targets, createRandom(SEED));
    lab.closing(() => hostile.stop());
    for (const untilMs = performance.now() + SECONDS * 1000; performance.now() < untilMs; ) {
      await pause(LOOK_EVERY_MS);
      for (const [index, process] of processes.entries())
        most[index] = Math.max(most[index] as number, ownMemoryOf(process.pid as number));
      assert.equal(load.errors, []);
    }
    hostile.stop();
    for (const [index, process] of processes.entries()) {
      const { name } = process;
      const { memory, sockets } = before[index] as Measured;
      const asBefore = (): boolean => {
        const left = measured(process).sockets;
        if (left.length <= sockets.length) return true;
        throw new Error(`${left.length}, before ${sockets.length}:\n${differing(left, sockets)}`);
      };
      await until(`the sockets of ${name}`, asBefore, { withinMs: LEAVING_MS });
      await until(`the memory of ${name}`, () => measured(process).memory < memory + LEFT_MAX);
      const mib = [memory, most[index] as number, measured(process).memory].map((bytes) =>
        Math.round(bytes / MIB),
      );
      console.log(
        `${name}: ${mib[0]} MiB, at most ${mib[1]} MiB, ${mib[2]} MiB in the end; ${sockets.length} sockets`,
      );
    }
    const { acknowledged, errors, longestCallMs } = await load.stop();
    const counts = [...hostile.counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
    console.log(
      `${acknowledged} updates, longest call ${Math.round(longestCallMs)} ms; the crowd: ${counts}`,
    );
    assert.equal(errors, []);
    assert.equal(await load.verify(nursery.persistentCaller()), []);
    assert.ok(longestCallMs < DEADLINE_MS, `a call took ${longestCallMs} ms`);
    assert.equal(
      HOSTILE_KINDS.filter((kind) => !hostile.counts.has(kind)),
      [],
      'kinds that never came',
    );
  },
  (SECONDS + 300) * 1000,
);

tests.run();

type Measured = { readonly memory: number; readonly sockets: readonly string[] };

function measured({ pid }: NurseryProcess): Measured {
  return { memory: ownMemoryOf(pid as number), sockets: socketsOf(pid as number) };
}

/** What is left that was not there before, a line each. */
function differing(left: readonly string[], before: readonly string[]): string {
  return left.filter((socket) => !before.includes(socket)).join('\n');
}
