/** File descriptors that run out: crowds of connections keep nobody out, and no file is given up for want of one. */
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES, NurseryError } from '../../src/base/errors.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { DESCRIPTORS_MIN } from '../../src/process/descriptors.ts';
import { encodePrologue } from '../../src/protocol/arakoon/requests.ts';
import type { Field, TurnedAway } from '../../src/protocol/arakoon/statistics.ts';
import { TestCluster } from '../support/clusters.ts';
import { descriptorsOf, limitDescriptors } from '../support/descriptors.ts';
import { FRONT, TestNursery } from '../support/nurseries.ts';
import { type Lab, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const LIMIT = 1024;
const CROWD = 1100;
/** How long a connection that was closed stays away (ms). */
const COMES_BACK_MS = 1000;
/** What a router may open: enough for a few dozen clients. */
const FEW = 300;
/** How long one health check may take (ms). */
const HEALTH_MS = 2000;
/** Fewer than any process has open: it gets no further one. */
const NONE = 5;
const VALUE = Buffer.alloc(100_000, 'v');
/** Rows that need a few segments of the log. */
const ROWS = 30;

const suite = labSuite('file descriptors');

/** Connections that do nothing, and come back when they are closed, until the lab is. */
class Crowd {
  readonly #sockets = new Set<Socket>();
  #isOver = false;

  constructor(lab: Lab, port: number, count: number, hello: Uint8Array | null) {
    lab.closing(() => this.close());
    const open = (): void => {
      if (this.#isOver) return;
      const socket = connect({ port, host: '127.0.0.1' });
      this.#sockets.add(socket);
      if (hello !== null) socket.write(hello);
      socket.resume();
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        setTimeout(open, COMES_BACK_MS);
      });
    };
    for (let n = 0; n < count; n += 1) open();
  }

  get connected(): number {
    return [...this.#sockets].filter(({ readyState }) => readyState === 'open').length;
  }

  close(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

function figure(fields: readonly Field[], name: string): number {
  return Number(fields.find((field) => field.name === name)?.value);
}

suite.test(
  'a crowd of idle clients: the log has its next segments, and everybody else gets in',
  async (lab) => {
    const cluster = await TestCluster.create(lab, {
      clusterId: 'plaza',
      extra: { tlog_max_size: '1_000_000' },
    });
    const under = ['prlimit', `--nofile=${LIMIT}:${LIMIT}`];
    const processes = cluster.nodes.map(({ name }) =>
      lab.start(name, ['node', '--config', cluster.file, '--node', name], {}, under),
    );
    for (const started of processes)
      await started.output('to be up', (text) => text.includes('clients at port'));
    const client = cluster.client();
    await until('a master', () => client.call((master) => master.nop()).then(() => true));
    const crowds = cluster.nodes.slice(0, 2).map(({ clientPort }, index) => {
      return new Crowd(lab, clientPort, CROWD, index === 0 ? encodePrologue('plaza') : null);
    });
    await until('the crowds', () => crowds.every(({ connected }) => connected > 500));
    for (let n = 0; n < ROWS; n += 1) await client.call((master) => master.set(`row/${n}`, VALUE));
    for (const [index, { home, clientPort }] of cluster.nodes.entries()) {
      assert.ok(readdirSync(join(home, 'tlog')).length > 2, 'further segments');
      // A new client, in spite of the crowd.
      const fields = await until('statistics', async () => {
        const other = await ArakoonClient.connect({ host: '127.0.0.1', port: clientPort, cluster: 'plaza' });
        try {
          return await other.statistics();
        } finally {
          other.close();
        }
      });
      assert.ok(figure(fields, 'connections_max') < LIMIT - 100);
      const gone = figure(fields, 'connections_let_go') + figure(fields, 'connections_turned_away');
      assert.is(gone > 0, index < crowds.length);
      const started = processes[index] as (typeof processes)[number];
      assert.ok(started.isRunning);
      assert.ok(descriptorsOf(started) < LIMIT, 'a reserve is left');
    }
    const { code, stdout, stderr } = await lab.run(['status', '--config', cluster.file]);
    assert.is(code, EXIT_CODES.OK, stdout + stderr);
    for (const { name } of cluster.nodes) assert.match(stdout, name);
    const notes = stdout.match(/^- \w+: since it began .*connections were (turned away|let go).*ulimit -n/gm);
    assert.is(notes?.length, crowds.length, stdout);
    for (const crowd of crowds) crowd.close();
    for (const started of processes) await started.kill();
  },
);

suite.test(
  'a log without a descriptor for its next segment waits for one: nothing is lost, nobody dies',
  async (lab) => {
    const cluster = await TestCluster.start(lab, {
      clusterId: 'alley',
      size: 1,
      extra: { tlog_max_size: '1_000_000' },
    });
    const [{ name, clientPort }] = cluster.nodes as [(typeof cluster.nodes)[number]];
    const open = (): Promise<ArakoonClient> =>
      ArakoonClient.connect({ host: '127.0.0.1', port: clientPort, cluster: 'alley', deadlineMs: 1500 });
    const client = await open();
    const reader = await open();
    await client.set('row', 'there');
    const node = cluster.process(name);
    const restore = limitDescriptors(node, NONE);
    const written: string[] = [];
    await until(
      'a write that waits',
      async () => {
        const key = String(written.length);
        try {
          await client.set(key, VALUE);
        } catch (error) {
          if (error instanceof NurseryError && error.traits.applied === 'maybe') return true;
          throw error;
        }
        written.push(key);
        return false;
      },
      { everyMs: 0 },
    );
    const seen = await reader.get('row', { consistency: { kind: 'noGuarantees' } });
    assert.is(String(seen), 'there', 'reads go on');
    assert.ok(node.isRunning);
    restore();
    await until('an update', () => cluster.ask(name, (other) => other.set('row', 'here')).then(() => true));
    const values = await cluster.ask(name, (other) => other.multiGet(written));
    assert.ok(values.every((value) => value.equals(VALUE)));
    assert.ok(node.isRunning);
    await node.kill();
    cluster.startNode(name);
    await cluster.master();
    assert.is(String(await cluster.ask(name, (other) => other.get('row'))), 'here');
    client.close();
    reader.close();
    await cluster.killAll();
  },
);

suite.test(
  'a router in a crowd: health checks, people and clients get through, and it keeps its links',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'fair', keeperSize: 1, size: 1 });
    await nursery.router.terminate();
    const under = ['prlimit', `--nofile=${FEW}:${FEW}`];
    const router = lab.start('router', ['router', '--config', nursery.file], {}, under);
    await router.output('to be up', (text) => text.includes('clients at port'));
    const crowd = new Crowd(lab, nursery.routerPort, 200, encodePrologue(FRONT));
    const silent = new Crowd(lab, nursery.routerPort, 100, null);
    await until('the crowds', () => crowd.connected + silent.connected > 60);
    // Node's fetch waits for ever on a connection that was reset as soon as it was made.
    const url = `http://127.0.0.1:${nursery.routerPort}/readyz`;
    const healthy = (): Promise<boolean> =>
      fetch(url, { signal: AbortSignal.timeout(HEALTH_MS) }).then(({ status }) => status === 200);
    await until('a health check', healthy);
    // Whoever of the crowd came within the last second does not give way yet: a client tries again by itself.
    const set = await nursery.run(['set', 'key', 'value']);
    assert.is(set.code, EXIT_CODES.OK, set.stderr);
    const status = await lab.run(['status', '--config', nursery.file]);
    assert.is(status.code, EXIT_CODES.OK, status.stdout + status.stderr);
    assert.match(status.stdout, /^- fair-router: since it began .*ulimit -n/m);
    const { stdout } = await lab.run(['status', '--config', nursery.file, '--json']);
    const seen = JSON.parse(stdout) as { readonly router: { readonly turnedAway: TurnedAway } };
    assert.ok(seen.router.turnedAway.turnedAway + seen.router.turnedAway.idleLetGo > 0, stdout);
    assert.ok(router.isRunning);
    assert.ok(descriptorsOf(router) < FEW);
    crowd.close();
    silent.close();
  },
);

suite.test(
  'with fewer descriptors than it needs nothing starts, and it says how many that are',
  async (lab) => {
    const under = (limit: number) => ['sh', '-c', `ulimit -n ${limit}; exec "$0" "$@"`];
    for (const [limit, args] of [
      [64, ['node', '--config', 'none.ini', '--node', 'none']],
      [127, ['router', '--config', 'none.ini']],
      [28, ['get', '--config', 'none.ini', 'key']],
    ] as const) {
      const { code, stderr } = await lab.start(`${args[0]} of ${limit}`, args, {}, under(limit)).finished();
      assert.is(code, EXIT_CODES.HOME_UNUSABLE, stderr);
      assert.match(stderr, `this process may open ${limit} (see ulimit -n), and needs ${DESCRIPTORS_MIN}`);
      assert.is(stderr.trim().split('\n').length, 1, stderr);
    }
  },
);

suite.run();
