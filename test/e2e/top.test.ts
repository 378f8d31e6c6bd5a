/** What is busy, as `status` and `top` of real processes say it; and how they behave in pipes. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { EXIT_CODES } from '../../src/base/errors.ts';
import { TestNursery } from '../support/nurseries.ts';
import { labSuite } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const tests = labSuite('top');
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

type Rates = { readonly s10: number; readonly m10: number };
type RangeLoad = {
  readonly lo: string;
  readonly epoch: number;
  readonly reads: Rates;
  readonly writes: Rates;
};
type Load = { readonly ranges: readonly RangeLoad[]; readonly hottest: readonly { readonly key: string }[] };

tests.test('what is busy is seen by range and by key, in status, top and metrics', async (lab) => {
  const nursery = await TestNursery.start(lab, { prefix: 'top', keeperSize: 1, size: 1 });
  const [ams] = nursery.clusters;
  const client = await nursery.connect();
  const load = async (): Promise<void> => {
    for (let count = 0; count < 40; count += 1) {
      await client.set(`cold ${count}`, 'x');
      for (let again = 0; again < 5; again += 1) await client.get('cold 0');
    }
  };
  const top = async (): Promise<readonly ({ readonly cluster: string } & Load)[]> => {
    const { stdout } = await nursery.succeed(['top', '--once', '--json']);
    return (JSON.parse(stdout) as { readonly clusters: readonly ({ readonly cluster: string } & Load)[] })
      .clusters;
  };
  const [first] = await until('the hot key to be seen', async () => {
    await load();
    const loads = await top();
    return loads[0]?.hottest[0]?.key === 'cold 0' ? loads : null;
  });
  assert.is(first?.cluster, ams.id);
  const [range] = first?.ranges ?? [];
  assert.is(range?.lo, '');
  const { reads, writes } = range as RangeLoad;
  assert.ok(reads.s10 > 2 * writes.s10 && writes.s10 > 0, JSON.stringify(range));

  const { stdout } = await nursery.succeed(['status']);
  assert.match(stdout, /^ {2}\[""\.\.end\) .* reads, .* writes, .* a second$/m);
  const said = JSON.parse((await nursery.succeed(['status', '--json'])).stdout) as {
    readonly clusters: readonly {
      readonly cluster: string;
      readonly nodes: readonly { readonly load: Load }[];
    }[];
  };
  const [node] = said.clusters.find(({ cluster }) => cluster === ams.id)?.nodes ?? [];
  assert.is(node?.load.hottest[0]?.key, 'cold 0');
  const response = await fetch(`http://127.0.0.1:${ams.nodes[0]?.clientPort}/metrics`);
  const metrics = await response.text();
  assert.match(
    metrics,
    new RegExp(`^nursery_range_reads_total\\{epoch="${range?.epoch}",part="0"\\} [1-9]\\d+$`, 'm'),
  );
  assert.not.match(metrics, 'cold 0');

  const table = (await nursery.succeed(['top', '--once'])).stdout;
  assert.match(table, new RegExp(`^${ams.id} +\\S+ +\\S+ `, 'm'));
  assert.match(table, /^busiest ranges .*\ntop-ams \[""\.\.end\) /m);
  assert.not.match(table, '\x1b');

  // Whoever closes the pipe wants no more, and hears nothing about it.
  const command = `"${process.execPath}" "${MAIN}" top --every 1 --config "${nursery.file}"`;
  const piped = spawnSync('sh', ['-c', `${command} | head -n 1`], { encoding: 'utf8', timeout: 60_000 });
  assert.equal([piped.status, piped.stderr], [0, '']);
  assert.match(piped.stdout, /^cluster .*\n$/);

  await nursery.keeper.killAll();
  for (const cluster of nursery.clusters) await cluster.killAll();
  assert.is((await nursery.run(['top', '--once'])).code, EXIT_CODES.UNREACHABLE);
});

tests.run();
