/** A cluster that lost all of its homes comes back from a backup, as it was then. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { type NodePlace, TestCluster } from '../support/clusters.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('restore');

tests.test(
  'all homes of three are lost: one is restored, the others join empty, and any of them may go then',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'lost', size: 3 });
    const client = await cluster.connect(await cluster.master());
    for (let index = 0; index < 100; index += 1) await client.set(`key ${index}`, `value ${index}`);
    await client.set('0xbinary', Buffer.from('00ff', 'hex'));
    const backup = join(lab.dir, 'backup');
    const config = ['--config', cluster.file];
    assert.is((await lab.run(['backup', ...config, '--to', backup])).code, 0);
    await client.set('key 0', 'written after the backup');

    const restore = (...args: string[]) => lab.run(['restore', backup, ...config, ...args]);
    const nobody = await restore();
    assert.is(nobody.code, EXIT_CODES.USAGE);
    assert.match(nobody.stderr, /--node says which of lost_0, lost_1, lost_2 is on this machine/);
    const living = await restore('--node', 'lost_0');
    assert.is(living.code, EXIT_CODES.REFUSED, living.stderr);
    assert.match(living.stderr, /of lost answer: stop all nodes of the file first/);
    await cluster.killAll();
    const full = await restore('--node', 'lost_0');
    assert.is(full.code, EXIT_CODES.HOME_UNUSABLE, full.stderr);
    assert.match(full.stderr, /data\.mdb is there, so the home .* of lost_0 is not empty/);
    const [first, second, third] = cluster.nodes as [NodePlace, NodePlace, NodePlace];
    const old = join(lab.dir, 'old home');
    renameSync(third.home, old);
    for (const { home } of [first, second]) rmSync(home, { recursive: true });

    const made = await restore('--node', second.name);
    assert.is(made.code, 0, made.stderr);
    assert.match(made.stdout, /holds \[""\.\.end\) as of slot \d+ of lost/);
    cluster.startNode(second.name);
    const alone = await until('status to say that it is one copy of three', async () => {
      const finished = await lab.run(['status', ...config]);
      return finished.stdout.includes('1 of the 3 copies') ? finished : null;
    });
    assert.is(alone.code, EXIT_CODES.AT_RISK);
    assert.match(
      alone.stdout,
      /^at risk: lost has 1 of the 3 copies that its configuration names: lost_0, lost_2 are no members of this founding\n/,
    );
    assert.match(alone.stdout, /^ {2}1 copy of 3, 1 up to date; none may fail$/m);
    assert.not.match(alone.stdout, /with its home/);
    for (const { name } of [first, third]) cluster.startNode(name);
    const restored = await cluster.connect(await cluster.master());
    assert.is((await restored.get('key 0')).toString(), 'value 0', 'as it was then');
    assert.equal(await restored.get('0xbinary'), Buffer.from('00ff', 'hex'));
    assert.is(await restored.keyCount(), 101);
    await restored.set('key 0', 'new');
    for (const { name } of [first, third]) await cluster.caughtUp(name);
    await until('all three to be members', async () => {
      const { stdout } = await lab.run(['status', ...config, '--json']);
      const [report] = (
        JSON.parse(stdout) as { clusters: { nodes: { status: { members: unknown[] } | null }[] }[] }
      ).clusters;
      return report?.nodes.every(({ status }) => status?.members.length === 3) === true;
    });
    await cluster.process(second.name).kill();
    const after = await cluster.connect(await cluster.master());
    assert.is((await after.get('key 0')).toString(), 'new');
    cluster.startNode(second.name);
    await cluster.caughtUp(second.name);

    // A home of before that comes back is met by nobody.
    await cluster.process(third.name).kill();
    rmSync(third.home, { recursive: true });
    renameSync(old, third.home);
    const stopped = await cluster.startNode(third.name).finished();
    assert.is(stopped.code, EXIT_CODES.OTHER_CLUSTER, stopped.stderr);
    assert.match(stopped.stderr, /they were founded/);
    const last = await cluster.connect(await cluster.master());
    assert.is((await last.get('key 0')).toString(), 'new');
  },
);

tests.test(
  'one that is broken off does not start, and is begun anew; what cannot be is refused',
  async (lab) => {
    const cluster = await TestCluster.start(lab, { clusterId: 'half', size: 1 });
    const [{ name, home }] = cluster.nodes as [NodePlace];
    const client = await cluster.connect(name);
    for (let index = 0; index < 40; index += 1)
      await client.set(`big ${index}`, Buffer.alloc(1024 * 1024, index));
    const backup = join(lab.dir, 'half-backup');
    const config = ['--config', cluster.file];
    assert.is((await lab.run(['backup', ...config, '--to', backup])).code, 0);
    await cluster.killAll();
    rmSync(home, { recursive: true });

    const first = lab.start('restore', ['restore', backup, ...config]);
    await until('it to begin', () => existsSync(join(home, 'RESTORING')), { everyMs: 1 });
    await first.kill();
    assert.ok(existsSync(join(home, 'RESTORING')), 'it was killed in the middle');
    const refused = await lab.run(['node', ...config, '--node', name]);
    assert.is(refused.code, EXIT_CODES.HOME_UNUSABLE, refused.stderr);
    assert.match(
      refused.stderr,
      /is half restored: empty it, and its tlog_dir where it has one, and type nursery restore again/,
    );
    const again = await lab.run(['restore', backup, ...config]);
    assert.is(again.code, EXIT_CODES.HOME_UNUSABLE, again.stderr);
    rmSync(home, { recursive: true });
    assert.is((await lab.run(['restore', backup, ...config])).code, 0);
    cluster.startNode(name);
    await cluster.master();
    assert.is(await (await cluster.connect(name)).keyCount(), 40);
    await cluster.killAll();

    rmSync(home, { recursive: true });
    const other = join(lab.dir, 'other.ini');
    writeFileSync(other, readFileSync(cluster.file, 'utf8').replaceAll('half', 'else'));
    const unknown = await lab.run(['restore', backup, '--config', other]);
    assert.is(unknown.code, EXIT_CODES.USAGE, unknown.stderr);
    assert.match(unknown.stderr, /has no image of cluster else, only of half/);
    const nursery = await TestNursery.start(lab, { prefix: 'r', keeperSize: 1, size: 1 });
    const theirs = join(lab.dir, 'theirs');
    assert.is((await nursery.run(['backup', 'r-ams', '--to', theirs])).code, 0);
    const inNursery = await lab.run(['restore', theirs, '--config', nursery.clusters[0].file]);
    assert.is(inNursery.code, EXIT_CODES.USAGE, inNursery.stderr);
    assert.match(inNursery.stderr, /is in force: --replace [0-9a-f]{8} says that its place is taken/);
    const alone = await lab.run(['restore', backup, '--config', nursery.clusters[0].file]);
    assert.is(alone.code, EXIT_CODES.USAGE, alone.stderr);
    assert.match(alone.stderr, /has no image of cluster r-ams/);
    const [file] = readdirSync(theirs).filter((each) => each.endsWith('.image')) as [string];
    const foreign = await lab.run(['restore', join(theirs, file), '--config', other]);
    assert.is(foreign.code, EXIT_CODES.REFUSED, foreign.stderr);
    assert.match(
      foreign.stderr,
      /is of a cluster of nursery [0-9a-f]+: what has moved since belongs to others/,
    );
  },
);

tests.run();
