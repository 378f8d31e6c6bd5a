/** What hardly ever happens, and what status says of it then: brought about by hand, with real processes. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { ClusterClient } from '../../src/client/cluster-client.ts';
import { NO_ROWS } from '../../src/keyspace/digest.ts';
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import { TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { freePorts, labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('status, rare');

tests.test('a learner that hears nothing, and believes that it has everything', async (lab) => {
  const cluster = await TestCluster.create(lab, {
    clusterId: 'late',
    size: 2,
    nodeExtra: (index): { readonly [key: string]: string } => (index === 1 ? { learner: 'true' } : {}),
  });
  const [master, learner] = cluster.nodes.map(({ name }) => name) as [string, string];
  const status = (...args: string[]) => lab.run(['status', '--config', cluster.file, ...args]);
  cluster.startAll();
  await cluster.master();
  await until('the learner to follow', async () => (await cluster.role(learner)) === 'learner');
  const well = await status('--wait', 'healthy', '--timeout', '60');
  assert.is(well.code, EXIT_CODES.OK, well.stdout);

  // The master looks for it where nobody listens.
  const text = readFileSync(cluster.file, 'utf8');
  const port = `messaging_port = ${cluster.place(learner).messagingPort}`;
  assert.ok(text.includes(port));
  writeFileSync(cluster.file, text.replace(port, `messaging_port = ${(await freePorts(1))[0]}`));
  await cluster.process(master).terminate();
  cluster.startNode(master);
  await cluster.master();
  const lost = await until('the learner to be missed', async () => {
    await cluster.ask(master, (client) => client.set('key', 'value'));
    const finished = await status();
    return finished.code === EXIT_CODES.OK ? null : finished;
  });
  assert.is(lost.code, EXIT_CODES.AT_RISK);
  assert.match(
    lost.stdout,
    /^at risk: late_1 of late answers here, and late_0, its master, does not hear it\n! .*\n {4}since .*, by the clock of late_0\n {4}see that late_0 and late_1 reach each other at their messaging ports\n/,
  );
  const [, has, of] = /^ {2}late_1 +learner +slot (\d+) of (\d+) /m.exec(lost.stdout) ?? [];
  assert.is(has, of, 'as it sees it, all is well');

  writeFileSync(cluster.file, text);
  await cluster.process(master).terminate();
  cluster.startNode(master);
  const mended = await status('--wait', 'healthy', '--timeout', '60');
  assert.is(mended.code, EXIT_CODES.OK, mended.stdout);
});

tests.test(
  'the map gives a range to a cluster that does not own it: who says what, and what to type',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'odd', keeperSize: 1, size: 1 });
    const [ams, bru] = nursery.clusters;
    const keeper = new ClusterClient(nursery.keeper.config, { role: 'migrator', node: 'by hand' });
    lab.closing(() => keeper.close());
    const said = async <K extends AdminAnswer['kind']>(kind: K, command: AdminCommand) => {
      const answer = await keeper.command(command);
      if (answer.kind !== kind) throw new Error(`${kind} was expected: ${JSON.stringify(answer)}`);
      return answer as Extract<AdminAnswer, { kind: K }>;
    };
    // A migrator that lies: it publishes what neither end has done.
    const { mid } = await said('planned', {
      kind: 'plan',
      source: ams.id,
      target: bru.id,
      lo: 'k',
      hi: null,
    });
    const { token } = await said('claimed', { kind: 'claim', mid, tokenSeen: 0 });
    const receipt = { sealSlot: 0, digest: NO_ROWS, pauseMs: 0, pauseAtLeast: false };
    await said('ok', { kind: 'publish', mid, token, receipt });
    const moving = await nursery.run(['status']);
    assert.not.match(moving.stdout, /the map gives it to/, 'an open move explains it');
    await said('ok', { kind: 'finish', mid, token });

    const { code, stdout } = await nursery.run(['status']);
    assert.is(code, EXIT_CODES.NOT_SERVING, stdout);
    assert.match(
      stdout,
      /^not serving: nobody serves \[k\.\.end\): the map gives it to odd-bru, at epoch \d+, and odd-bru_0, its master, says that odd-bru does not own it/,
    );
    assert.match(
      stdout,
      /^ {4}type: nursery rescue lost odd-bru --at CLUSTER --restore DIR --config \S+, or --empty$/m,
    );
    assert.match(
      stdout,
      /^! odd-ams owns \[k\.\.end\), at epoch \d+, and the map gives it to odd-bru, at epoch \d+/m,
    );
    // The rest is served.
    const client = await nursery.connect();
    await client.set('a', 'x');
  },
);

tests.test(
  'two of three homes are emptied, and the survivor is promoted while the keeper is silent: what is said all the way',
  async (lab) => {
    const nursery = await TestNursery.start(lab, { prefix: 'burnt', keeperSize: 1, size: [3, 1] });
    const [ams] = nursery.clusters;
    const [keeper] = nursery.keeper.nodes.map(({ name }) => name) as [string];
    const [left, ...gone] = ams.nodes.map(({ name }) => name) as [string, string, string];
    const saying = (what: string, pattern: RegExp) =>
      until(what, async () => {
        const said = await nursery.run(['status']);
        return pattern.test(said.stdout) ? said : null;
      });

    // Later slots say that the one which names its nursery was chosen: whoever has nothing but that one is no survivor to go on with.
    const client = await nursery.connect();
    for (const key of 'abc') await client.set(key, 'v');
    await ams.caughtUp(left);
    await ams.process(left).kill();
    for (const name of gone) await ams.wipe(name);
    ams.startNode(left);
    const names = gone.join(', ');
    const emptied = await saying(
      'the emptied homes to be named',
      new RegExp(
        `^! cluster burnt-ams has no master, .*: the homes of ${names} were emptied, 2 of 3 members`,
        'm',
      ),
    );
    assert.is(emptied.code, EXIT_CODES.NOT_SERVING);
    const own = await lab.run(['status', '--config', ams.file]);
    assert.ok(
      own.stdout.includes(`    type: nursery rescue promote --config ${ams.file} --node ${left}\n`),
      own.stdout,
    );

    for (const name of gone) {
      await ams.process(name).kill();
      rmSync(ams.place(name).home, { recursive: true, force: true });
    }
    await nursery.keeper.process(keeper).kill();
    const promote = ['rescue', 'promote', '--config', ams.file, '--node', left, '--yes', ams.id];
    const done = await lab.run([...promote, '--gone', gone.join()]);
    assert.is(done.code, EXIT_CODES.UNREACHABLE, done.stderr);
    const waits = await saying(
      'the promoted one to be what the router knows as its cluster',
      new RegExp(
        `^not serving: ${left}, the master of burnt-ams, serves nothing yet: this founding took the place`,
      ),
    );
    assert.not.match(waits.stdout, /no node of burnt-ams answers|rescue lost|correct cluster_id/);
    assert.match(waits.stdout, new RegExp(`^ {2}${left} +master .*, of founding [0-9a-f]{32}$`, 'm'));

    nursery.keeper.startNode(keeper);
    for (const name of gone) ams.startNode(name);
    const well = await nursery.run(['status', '--wait', 'healthy', '--timeout', '60']);
    assert.is(well.code, EXIT_CODES.OK, well.stdout);
  },
);

tests.run();
