/** What `rescue keeper` makes of who answers under the file of a cluster, before it does anything. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FatalError, NurseryError } from '../../../../src/base/errors.ts';
import { type KeeperArgs, runKeeper } from '../../../../src/cli/rescue/keeper.ts';
import { renderClusterIni } from '../../../../src/config/render.ts';
import { EMPTY_MAP, RangeMap } from '../../../../src/keyspace/rangemap.ts';
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

type Said = {
  /** What n0 and n1 of ams say of themselves beside that; n0 is master. */
  readonly ams?: readonly [object, object];
  /** Whether the keeper knows itself, and has a map. */
  readonly keeper?: 'new' | 'mapped' | 'unfounded' | 'rescued';
  /** Founding of what answers where the file of ams says that its keeper is; null: nobody does. */
  readonly before?: string | null;
  readonly args?: Partial<KeeperArgs>;
};

/** What becomes of a dry run. */
async function tried({
  ams: said = [{}, {}],
  keeper: kind = 'new',
  before = null,
  args = {},
}: Said): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'nursery-keeper-'));
  const [keeper, ams] = [await new FakeCluster('keeper').start(1), await new FakeCluster('').start(2)];
  const old = await new FakeCluster('keeper').start(1);
  const nursery = { founding: 'k2', replaced: [] };
  const map = RangeMap.of(1, [{ lo: '', hi: null, owner: 'dal', epoch: 1, founding: 'd1' }]);
  const isMapped = kind === 'mapped' || kind === 'rescued';
  keeper.map = {
    map: isMapped ? map : EMPTY_MAP,
    clusters: [],
    ...(kind === 'unfounded' ? {} : { nursery }),
  };
  const itself = { cluster: 'keeper', node: 'k0', role: 'master', keepers: [] };
  const statusOf = (more: object) => ({
    bytes: encodeAnswer({
      kind: 'nodeStatus',
      ...STATUS,
      node: '',
      role: 'follower',
      founding: '',
      ...more,
    }),
    hint: null,
  });
  const order = {
    order: 1,
    kind: 'keeper' as const,
    cluster: 'keeper',
    was: 'k1',
    founding: 'k2',
    takenMs: 0,
    given: null,
    before: [],
  };
  keeper.interfere = (request) => {
    if (request.kind !== 'adminQuery') return undefined;
    if (request.query.kind === 'listOrders')
      return {
        bytes: encodeAnswer({ kind: 'orders', orders: kind === 'rescued' ? [order] : [] }),
        hint: null,
      };
    if (request.query.kind !== 'nodeStatus') return undefined;
    const founding = kind === 'unfounded' ? { founding: '', keeper: '' } : { founding: 'k2', keeper: 'k2' };
    return statusOf({ ...itself, ...founding });
  };
  old.interfere = () => statusOf({ ...itself, founding: before ?? '', keeper: before ?? '' });
  ams.interfere = (request, { name }) => {
    if (request.kind !== 'adminQuery') return undefined;
    const isFirst = name === 'n0';
    const role = isFirst ? 'master' : 'follower';
    return statusOf({ node: name, role, founding: 'g1', ...said[isFirst ? 0 : 1] });
  };
  if (before === null) await old.stop();
  const write = (clusterId: string, all: FakeCluster, of: FakeCluster): string => {
    const places = all.nodes.map(({ name, port }) => {
      return { name, ip: '127.0.0.1', clientPort: port, home: join(home, clusterId, name), extra: {} };
    });
    const file = join(home, `${clusterId}.ini`);
    const keepers = of.config.nodes.map((each) => ({ ...each, name: 'k0' }));
    const own = of === all ? places.map((each) => ({ ...each, name: 'k0' })) : places;
    writeFileSync(
      file,
      renderClusterIni({ clusterId, nodes: own, keeper: { ...of.config, nodes: keepers } }),
    );
    return file;
  };
  try {
    await runKeeper({
      config: write('keeper', keeper, keeper),
      files: [write('ams', ams, old)],
      lost: [],
      unclaimed: null,
      yields: [],
      gone: null,
      yes: null,
      dryRun: true,
      timeout: null,
      json: true,
      ...args,
    });
    return 'told';
  } catch (error) {
    if (error instanceof FatalError) return `${error.exitCode}: ${error.message}`;
    if (!(error instanceof NurseryError)) throw error;
    return `${error.code}: ${error.message}`;
  } finally {
    await Promise.all([keeper.stop(), ams.stop(), old.stop()]);
    rmSync(home, { recursive: true });
  }
}

test('two foundings under one file are refused, both are named, and what to do', async () => {
  assert.is(await tried({}), 'told');
  assert.is(
    await tried({ ams: [{ founding: 'g1' }, { founding: 'g2' }] }),
    'REFUSED: under the file of ams answer nodes of 2 foundings, g1 (n0, master) and g2 (n1, follower): stop those that are no longer ams, or correct the file, and type the same again',
  );
});

test('a cluster whose own keeper lives is refused, where its own file says that this one is', async () => {
  const refused = await tried({ before: 'k1' });
  assert.match(
    refused,
    /^REFUSED: ams belongs to keeper keeper, founding k1, and k0 \(master\) of that very founding answers: either the wrong file was given \(.*ams\.ini\), or this keeper is not lost/,
  );
  assert.match(await tried({ before: 'k1', keeper: 'mapped' }), /^REFUSED: ams belongs to keeper keeper/);
  assert.is(await tried({ before: 'k7' }), 'told', 'of another founding');
});

test('it was done before only where the clusters belong to this keeper', async () => {
  const come = { keeper: 'k2', keepers: ['k1'], adopted: 1 };
  assert.is(await tried({ keeper: 'rescued', ams: [come, come] }), 'told');
  const since = { keeper: 'k3', keepers: ['k1', 'k2'], adopted: 2 };
  assert.match(
    await tried({ keeper: 'rescued', ams: [since, come] }),
    /^REFUSED: ams belongs to founding k3: .*answer homes of founding k2, whose place was taken/,
  );
  assert.match(await tried({ keeper: 'mapped' }), /^REFUSED: .*of no use to ams: .*its map \(dal\)/);
});

test('a keeper that has not founded itself yet is waited for, and is unreachable then', async () => {
  assert.match(
    await tried({ keeper: 'unfounded', args: { timeout: 1 } }),
    /^UNREACHABLE: keeper keeper has no master yet .*type the same again/,
  );
});

test('what yields nothing is refused by name', async () => {
  const range = { lo: 'z', hi: null };
  const stray = { yields: [{ cluster: 'ams', range }] };
  assert.match(await tried({ args: stray }), /^REFUSED: --yields ams in \[z\.\.end\): no other cluster owns/);
});

test.run();
