/** No entry owns its process: routers and a migrator share one, each is closed by itself, and then it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { renderRouterIni } from '../../src/config/render.ts';
import { TestNursery } from '../support/nurseries.ts';
import { freePorts, labSuite } from '../support/processes.ts';

const CHILD = fileURLToPath(new URL('./one-process-child.js', import.meta.url));
const tests = labSuite('one process');

tests.test('two routers and a migrator live in one process, and close without its end', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'one', keeperSize: 1, size: 1 });
  const files = (await freePorts(2)).map((port, index) => {
    const file = join(lab.dir, `one-${index}.ini`);
    const name = `one_router_${index}`;
    const keeper = nursery.keeper.config;
    writeFileSync(
      file,
      renderRouterIni({ name, clusterId: 'front', ip: '127.0.0.1', port, logDir: lab.dir, keeper }),
    );
    return file;
  });
  const [ams, bru] = nursery.clusters;
  const child = spawn(process.execPath, [CHILD, ...files, ams.id, bru.id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  lab.closing(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const [code] = await once(child, 'exit');
  assert.is(said, 'a by the first, z by the first\nz by the first\nclosed\n');
  assert.is(code, 0, 'it ended by itself');
});

tests.run();
