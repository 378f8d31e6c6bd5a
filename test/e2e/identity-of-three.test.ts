/**
 * The mistakes that once cut off a cluster, as they were made: a keeper, ams and bru with three nodes each, and two routers that
 * serve all the while.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { ArakoonClient } from '../../src/client/arakoon-client.ts';
import { renderRouterIni } from '../../src/config/render.ts';
import { addressesOf, copyOf, editedFile, ends, notesOf } from '../support/identities.ts';
import { FRONT, TestNursery } from '../support/nurseries.ts';
import { freePorts, type Lab, labSuite, type NurseryProcess } from '../support/processes.ts';
import { pause, until } from '../support/wait.ts';

const tests = labSuite('who is who, of three');

/** Within this time a router that serves has answered, whoever was elected meanwhile (ms). */
const ANSWERED_MS = 8000;
/** Between two updates of the clients that go on all the while (ms). */
const THINK_MS = 50;

type Three = { readonly nursery: TestNursery; readonly routers: readonly number[] };

let shared: Three | null = null;
async function theThree(lab: Lab): Promise<Three> {
  if (shared !== null) return shared;
  const nursery = await TestNursery.start(lab, { prefix: 'three', keeperSize: 3, size: 3 });
  const [port] = (await freePorts(1)) as [number];
  const file = join(lab.dir, 'second-router.ini');
  const router = {
    name: 'second-router',
    clusterId: FRONT,
    ip: '127.0.0.1',
    port,
    logDir: lab.dir,
    migrator: false, // the commands of this test move ranges
    keeper: nursery.keeper.config,
  };
  writeFileSync(file, renderRouterIni(router));
  const second = lab.start('second router', ['router', '--config', file]);
  await second.output('the router to be up', (text) => text.includes('clients at port'));
  shared = { nursery, routers: [nursery.routerPort, port] };
  return shared;
}

async function through<T>(port: number, body: (client: ArakoonClient) => Promise<T>): Promise<T> {
  const client = await ArakoonClient.connect({ host: '127.0.0.1', port, cluster: FRONT });
  return await body(client).finally(() => client.close());
}

/** Every router has the key, and says that it can serve all of them. */
async function serve({ routers }: Three, key: string, value: string): Promise<void> {
  for (const port of routers) {
    const read = (): Promise<string> => through(port, async (client) => (await client.get(key)).toString());
    assert.is(await until(`${key} at port ${port}`, read, { withinMs: ANSWERED_MS }), value);
    const isHealthy = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
    await until(`the router at port ${port} to be healthy`, isHealthy, { withinMs: ANSWERED_MS });
  }
}

/** Writes and reads `key` through both routers, on and on, while `body` runs. Each answer must come in time. */
async function whileServing({ routers }: Three, key: string, body: () => Promise<void>): Promise<number> {
  let isOver = false;
  let acknowledged = 0;
  const work = async (port: number): Promise<void> => {
    for (let step = 0; !isOver; step += 1) {
      const own = `${key} of ${port}`;
      const value = `${step}`;
      const read = await until(
        `an answer to ${own}`,
        () =>
          through(port, async (client) => {
            await client.set(own, value);
            return (await client.get(own)).toString();
          }),
        { withinMs: ANSWERED_MS },
      );
      assert.is(read, value);
      acknowledged += 1;
      await pause(THINK_MS);
    }
  };
  const working = Promise.all(routers.map(work));
  // Whichever fails first is told; the clients stop in any case.
  await Promise.race([working, body()]).finally(() => {
    isOver = true;
  });
  await working;
  return acknowledged;
}

/** The same file with other ports, and homes in a folder of their own. */
async function elsewhere(lab: Lab, folder: string, text: string): Promise<string> {
  const used = [...text.matchAll(/^(?:client_port|messaging_port) = (\d+)$/gm)].map(([, port]) => port);
  // The last three are the keeper's, which stays where it is.
  const own = used.slice(0, -3);
  const fresh = await freePorts(own.length);
  let next = 0;
  return text
    .replace(/^((?:client_port|messaging_port) = )(\d+)$/gm, (line, name: string, port: string) => {
      if (!own.includes(port)) return line;
      next += 1;
      return `${name}${fresh[next - 1]}`;
    })
    .replaceAll(`home = ${lab.dir}/`, `home = ${lab.dir}/${folder}/`);
}

tests.test(
  'sed, other ports, and cluster_id forgotten: three newcomers stop, and so do three of equal names',
  async (lab) => {
    const three = await theThree(lab);
    const { keeper, clusters } = three.nursery;
    const [ams] = clusters;
    const before = await addressesOf(keeper, ams.id);
    const text = readFileSync(ams.file, 'utf8');
    const oslo = editedFile(lab, ams, 'oslo', () => text);
    writeFileSync(oslo.file, (await elsewhere(lab, 'oslo', text)).replace(/ams_([0-9])/g, 'oslo_$1'));
    const twins = editedFile(lab, ams, 'twins', () => text);
    writeFileSync(twins.file, await elsewhere(lab, 'twins', text));
    const acknowledged = await whileServing(three, 'a', async () => {
      const started = [0, 1, 2].flatMap((index) => [
        oslo.start(`three-oslo_${index}`),
        twins.start(`three-ams_${index}`),
      ]);
      const why = /cluster three-ams is founding [0-9a-f]{32}.*another working directory/;
      await Promise.all(started.map((node) => ends(node, EXIT_CODES.OTHER_CLUSTER, why)));
    });
    assert.ok(acknowledged > 10, `${acknowledged} rounds`);
    assert.is(await addressesOf(keeper, ams.id), before);

    // The copy comes first, while the real one is down.
    await ams.killAll();
    const first = [0, 1, 2].map((index) => oslo.start(`three-oslo_${index}`));
    await Promise.all(first.map((node) => ends(node, EXIT_CODES.OTHER_CLUSTER, /nothing is founded/)));
    ams.startAll();
    const write = (): Promise<true> =>
      through(three.nursery.routerPort, (client) => client.set('b', 'kept').then(() => true as const));
    await until('ams to serve', write);
    await serve(three, 'b', 'kept');
    assert.is(await addressesOf(keeper, ams.id), before);
  },
);

tests.test('a staging bru of one node at the real keeper: the move goes into the real one', async (lab) => {
  const three = await theThree(lab);
  const { nursery } = three;
  const [, bru] = nursery.clusters;
  await through(nursery.routerPort, (client) => client.set('qq', 'kept'));
  await bru.killAll();
  const staging = await copyOf(lab, 'staging', bru.id, [`${bru.id}_0`], nursery.keeper.config);
  await ends(staging.start(`${bru.id}_0`), EXIT_CODES.OTHER_CLUSTER, /nothing is founded: cluster three-bru/);
  const moving = nursery.start(['migrate', '--range', 'q..r', '--to', bru.id]);
  await moving.output('it to begin', (text) => /migration \d+/.test(text));
  const again = staging.start(`${bru.id}_0`, ['--bootstrap']);
  await ends(again, EXIT_CODES.OTHER_CLUSTER, /nothing is founded/);
  assert.is(moving.isRunning, true, 'it moves the rows to nobody else');
  bru.startAll();
  const { code, stderr } = await moving.finished();
  assert.is(code, 0, stderr);
  await serve(three, 'qq', 'kept');
  assert.is((await nursery.owners()).get('q'), bru.id);
});

tests.test(
  'another working directory, a relative home, and a keeper that is down: nothing is founded',
  async (lab) => {
    const three = await theThree(lab);
    const { keeper, clusters } = three.nursery;
    const [, bru] = clusters;
    await bru.killAll();
    await keeper.killAll();
    const wrong = editedFile(lab, bru, 'wrong', (text) =>
      text.replaceAll(`home = ${lab.dir}/`, 'home = data/'),
    );
    const started = bru.nodes.map(({ name }) => wrong.start(name));
    for (const { name, clientPort } of bru.nodes) {
      await until(`${name} to say that it waits`, async () =>
        (await notesOf(bru.id, name, clientPort)).some((note) =>
          /founds nothing before the keeper/.test(note),
        ),
      );
    }
    keeper.startAll();
    for (const [index, node] of started.entries()) {
      const home = join(lab.dir, 'data', bru.nodes[index]?.name ?? '').replaceAll('.', '\\.');
      await ends(node, EXIT_CODES.OTHER_CLUSTER, new RegExp(`nothing is founded.*${home}`));
    }
    bru.startAll();
    await until('bru to serve', () => through(three.nursery.routerPort, (client) => client.get('qq')));
    await serve(three, 'qq', 'kept');
  },
);

tests.test(
  'two keepers at once: a node that is led to the other one says so, and goes on with its own',
  async (lab) => {
    const three = await theThree(lab);
    const { keeper, clusters } = three.nursery;
    const [ams] = clusters;
    const names = keeper.nodes.map(({ name }) => name);
    const text = readFileSync(keeper.file, 'utf8');
    const ports = await freePorts(2 * names.length);
    const old = [...text.matchAll(/^(?:client_port|messaging_port) = (\d+)$/gm)].map(([, port]) => port);
    const moved = (file: string): string =>
      file.replace(/_port = (\d+)$/gm, (line, port: string) => {
        const at = old.indexOf(port);
        return at < 0 ? line : `_port = ${ports[at]}`;
      });
    const staging = editedFile(lab, keeper, 'staging-keeper', (file) =>
      moved(file).replaceAll(`home = ${lab.dir}/`, `home = ${lab.dir}/staging-keeper/`),
    );
    for (const name of names) staging.start(name);
    const follower = await ams.follower();
    await ams.process(follower).kill();
    const led = editedFile(lab, ams, 'led', moved).start(follower);
    const { clientPort } = ams.place(follower);
    const acknowledged = await whileServing(three, 'c', async () => {
      await until('it to say whom it met', async () =>
        (await notesOf(ams.id, follower, clientPort)).some((note) => /does not listen to another/.test(note)),
      );
      await ams.caughtUp(follower);
    });
    assert.ok(acknowledged > 0);
    assert.is(led.isRunning, true);
    await led.kill();
    ams.startNode(follower);
    await ams.caughtUp(follower);
  },
);

tests.test('a removed node with its old file leaves the addresses at the keeper as they are', async (lab) => {
  const three = await theThree(lab);
  const { keeper, clusters } = three.nursery;
  const [, bru] = clusters;
  const [left, right, removed] = bru.nodes.map(({ name }) => name) as [string, string, string];
  const places = [left, right].map((name) => `${name} ${bru.place(name).clientPort}`).join();
  const smaller = editedFile(lab, bru, 'smaller', (text) =>
    text
      .replace(`, ${removed}`, '')
      .split('\n\n')
      .filter((section) => !section.startsWith(`[${removed}]`))
      .join('\n\n'),
  );
  await bru.process(removed).kill();
  const smallerNodes: NurseryProcess[] = [];
  for (const name of [left, right]) {
    await bru.process(name).kill();
    smallerNodes.push(smaller.start(name));
  }
  await until('two addresses', async () => (await addressesOf(keeper, bru.id)) === places);
  await ends(bru.startNode(removed), EXIT_CODES.SUPERSEDED, /replaced or removed/);
  assert.is(await addressesOf(keeper, bru.id), places);
  // Alone it has nobody to hear that from. The keeper hears it, and takes no address of it.
  await Promise.all(smallerNodes.map((node) => node.kill()));
  const heard = (): number =>
    readFileSync(join(bru.place(removed).home, `${removed}.log`), 'utf8').split('in force, as').length;
  const before = heard();
  const alone = bru.startNode(removed);
  await until('it to hear from the keeper', () => heard() > before);
  assert.is(await addressesOf(keeper, bru.id), places);
  for (const name of [left, right]) smaller.start(name);
  await ends(alone, EXIT_CODES.SUPERSEDED, /replaced or removed/);
  assert.is(await addressesOf(keeper, bru.id), places);
  await serve(three, 'qq', 'kept');
});

tests.run();
