/** What `rescue keeper` makes of who answers under the file of a cluster, before it does anything. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { runKeeper } from '../../../../src/cli/rescue/keeper.ts';
import { renderClusterIni } from '../../../../src/config/render.ts';
import { EMPTY_MAP } from '../../../../src/keyspace/rangemap.ts';
import { encodeAnswer } from '../../../../src/protocol/admin/admin.ts';
import { FakeCluster } from '../../client/fake-cluster.ts';

const STATUS = {
  cluster: 'ams',
  master: null,
  applied: 7,
  chosen: 7,
  firstLogSlot: 1,
  waitsFor: null,
  members: [],
  owned: [],
  keys: 0,
  label: '',
  keeper: 'k1',
  notes: [],
  backup: null,
  adopted: 0,
  keepers: [],
};

/** What becomes of the command where n0 and n1 of ams are of these foundings, and n0 is master. */
async function tried(...foundings: readonly string[]): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'nursery-keeper-'));
  const [keeper, ams] = [await new FakeCluster('keeper').start(1), await new FakeCluster('').start(2)];
  keeper.map = { map: EMPTY_MAP, clusters: [], nursery: { founding: 'k2', replaced: [] } };
  ams.interfere = (request, { name }) => {
    if (request.kind !== 'adminQuery') return undefined;
    const isFirst = name === 'n0';
    const said = {
      node: name,
      role: isFirst ? 'master' : 'follower',
      founding: foundings[isFirst ? 0 : 1] ?? '',
    };
    return { bytes: encodeAnswer({ kind: 'nodeStatus', ...STATUS, ...said }), hint: null };
  };
  const write = (clusterId: string, { nodes }: FakeCluster): string => {
    const places = nodes.map(({ name, port }) => {
      return { name, ip: '127.0.0.1', clientPort: port, home: join(home, clusterId, name), extra: {} };
    });
    const file = join(home, `${clusterId}.ini`);
    writeFileSync(file, renderClusterIni({ clusterId, nodes: places, keeper: null, extra: {} }));
    return file;
  };
  try {
    await runKeeper({
      config: write('keeper', keeper),
      files: [write('ams', ams)],
      lost: [],
      unclaimed: null,
      yields: [],
      gone: null,
      yes: null,
      dryRun: true,
      timeout: null,
      json: true,
    });
    return 'told';
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return `${error.code}: ${error.message}`;
  } finally {
    await Promise.all([keeper.stop(), ams.stop()]);
    rmSync(home, { recursive: true });
  }
}

test('two foundings under one file are refused, both are named, and what to do', async () => {
  assert.is(await tried('g1', 'g1'), 'told');
  assert.is(
    await tried('g1', 'g2'),
    'REFUSED: under the file of ams answer nodes of 2 foundings, g1 (n0, master) and g2 (n1, follower): stop those that are no longer ams, or correct the file, and type the same again',
  );
});

test.run();
