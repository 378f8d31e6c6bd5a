/** Clusters of real processes: what they serve, and what they survive. */
import * as assert from 'uvu/assert';
import { TestCluster } from '../support/clusters.ts';
import { labSuite } from '../support/processes.ts';

const serving = labSuite('a cluster');

serving.test('three nodes boot and serve', async (lab) => {
  const t = performance.now();
  const cluster = await TestCluster.start(lab, { clusterId: 'ricky' });
  console.log('boot', performance.now() - t);
  const client = cluster.client();
  await client.call((c) => c.set('a', 'b'));
  assert.is((await client.call((c) => c.get('a'))).toString(), 'b');
  const master = await cluster.master();
  const t2 = performance.now();
  console.log(await cluster.process(master).terminate(), performance.now() - t2);
  await client.call((c) => c.set('a', 'c'));
  console.log('new master after', performance.now() - t2);
});

serving.run();
