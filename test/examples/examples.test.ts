/** Each example does what it says, as a user would run it: against a router, with its keys in two clusters. */
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { renderRouterIni } from '../../src/config/render.ts';
import { TestCluster } from '../support/clusters.ts';
import { freePorts, type Lab, labSuite } from '../support/processes.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
/** How long an example may take (ms). */
const EXAMPLE_MS = 20_000;
/** Lies among the keys of the paging example, and of no other. */
const SEPARATOR = 'example/paging/00123';

/** What each example prints at the end. */
const LAST_LINES: { readonly [name: string]: readonly string[] } = {
  basics: ['apple was red', 'left: 0'],
  lock: ["counted to 40 of 40: nobody was in anybody's way"],
  'move-object': ['moved 20 of 20', 'inbox has 0 and says 0, album has 20 and says 20'],
  paging: ['300 keys and 8700 bytes of values in 6 pages', 'left: 0'],
  counters: ['so far 40 objects, 40000 bytes', '40 objects of 40000 bytes are counted, 40 are there'],
};

let router = '';

const examples = labSuite('examples');

examples.test('a small nursery is up', async (lab) => {
  router = await startNursery(lab);
});

for (const [name, lines] of Object.entries(LAST_LINES)) {
  examples.test(name, async () => {
    // Twice: an example cleans up behind itself.
    for (const attempt of ['first', 'second']) {
      assert.equal((await run(name)).slice(-lines.length), lines, `${attempt} run of ${name}`);
    }
  });
}

examples.test('every example is run', async () => {
  const names = readdirSync(EXAMPLES)
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -'.js'.length));
  assert.equal(names.sort(), Object.keys(LAST_LINES).sort());
});

/** Lines that an example prints. @throws Error where it fails or takes too long */
async function run(name: string): Promise<string[]> {
  const args = [join(EXAMPLES, `${name}.js`), router];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: EXAMPLE_MS });
  return stdout.trimEnd().split('\n');
}

/** A keeper, two clusters that share the keys, and a router, each of one process. Returns the router's address. */
async function startNursery(lab: Lab): Promise<string> {
  const keeper = await TestCluster.start(lab, { clusterId: 'keeper', size: 1, keeper: 'itself' });
  const clusters = ['ams', 'bru'].map((clusterId) =>
    TestCluster.start(lab, { clusterId, size: 1, keeper: keeper.config }),
  );
  await Promise.all(clusters);
  const [port] = (await freePorts(1)) as [number];
  const ip = '127.0.0.1';
  const file = join(lab.dir, 'router.ini');
  const draft = { name: 'router', clusterId: 'nursery', ip, port, logDir: lab.dir, keeper: keeper.config };
  writeFileSync(file, renderRouterIni(draft));
  const started = lab.start('router', ['router', '--config', file]);
  await started.output('it is up', (text) => text.includes('clients at port'));
  for (const args of [
    ['init', '--config', file, 'ams'],
    ['migrate', '--config', file, 'ams', SEPARATOR, 'bru'],
  ]) {
    const { code, stderr } = await lab.run(args);
    assert.is(code, 0, `${args[0]}: ${stderr}`);
  }
  return `${ip}:${port}`;
}

examples.run();
