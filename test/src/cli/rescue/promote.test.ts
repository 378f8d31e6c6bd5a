/** Whom `rescue promote` orders what: nodes on real sockets say what they are. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { runPromote } from '../../../../src/cli/rescue/promote.ts';
import { renderClusterIni } from '../../../../src/config/render.ts';
import { encodeAnswer } from '../../../../src/protocol/admin/admin.ts';
import { FakeCluster } from '../../client/fake-cluster.ts';

const STATUS = {
  cluster: 'ams',
  role: 'candidate',
  master: null as string | null,
  applied: 7,
  chosen: 7,
  firstLogSlot: 1,
  waitsFor: 'this founding took the place of g1, and waits until keeper K has said which ranges are its own',
  members: [],
  owned: [],
  keys: 0,
  label: '',
  founding: 'g2',
  keeper: '',
  notes: [],
  backup: null,
  // Of later versions: what is not in the layout is not written.
  adopted: 0,
  keepers: [],
};

type Told = Partial<typeof STATUS> & { readonly node?: string };

/** What n0 of two is ordered when it is to be promoted, and what comes of it; n1 says `other`, or is silent. */
async function ordered(own: Told, other: Told | null = null): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'nursery-promote-'));
  const ams = await new FakeCluster('').start(2);
  const orders: string[] = [];
  ams.interfere = (request, { name }) => {
    if (request.kind !== 'adminQuery') return undefined;
    if (request.query.kind === 'promote') {
      orders.push(`${request.query.isTrial ? 'asked' : 'ordered'}: ${request.query.gone.join()} gone`);
      return { bytes: encodeAnswer({ kind: 'ok' }), hint: null };
    }
    const told = name === 'n0' ? own : other;
    return { bytes: encodeAnswer({ kind: 'nodeStatus', ...STATUS, node: name, ...told }), hint: null };
  };
  if (other === null) await ams.nodes[1]?.stop();
  const config = join(home, 'ams.ini');
  const nodes = ams.nodes.map(({ name, port }) => {
    return { name, ip: '127.0.0.1', clientPort: port, home: join(home, name), extra: {} };
  });
  writeFileSync(config, renderClusterIni({ clusterId: 'ams', nodes, keeper: null, extra: {} }));
  const args = { config, node: 'n0', gone: null, yes: null, loseFrom: null, timeout: 1 };
  try {
    await runPromote({ ...args, dryRun: true, json: true });
    return orders.join('; ');
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return error.message.replace(config, 'ams.ini');
  } finally {
    await ams.stop();
    rmSync(home, { recursive: true });
  }
}

test('an unconfirmed founding that has a master was promoted already; one that burnt again is promoted', async () => {
  assert.is(await ordered({ master: 'n0', role: 'master', keeper: 'K' }), '');
  assert.is(await ordered({}), 'asked: n1 gone');
});

test('somebody else at an address of the file is ordered nothing, and is named', async () => {
  const wrong = 'at the address of n0 of cluster ams in ams.ini answers';
  assert.is(await ordered({ cluster: 'bru', node: 'b0' }), `${wrong} b0 of cluster bru: correct the file`);
  assert.is(await ordered({ node: 'n1' }), `${wrong} n1 of cluster ams: correct the file`);
  const twice = await ordered({}, { node: 'n0' });
  assert.is(
    twice,
    'at the address of n1 of cluster ams in ams.ini answers n0 of cluster ams: correct the file',
  );
  assert.is(
    await ordered({}, { cluster: 'bru' }),
    'asked: n1 gone',
    'that address is of another cluster by now',
  );
});

test.run();
