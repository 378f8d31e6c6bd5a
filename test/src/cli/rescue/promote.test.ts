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
import { failure } from '../../../../src/protocol/arakoon/replies.ts';
import { FakeCluster } from '../../client/fake-cluster.ts';

const STATUS = {
  cluster: 'ams',
  role: 'candidate',
  master: null as string | null,
  applied: 7,
  chosen: 7,
  firstLogSlot: 1,
  waitsFor: 'this founding took the place of g1, and waits until keeper K has said which ranges are its own',
  members: [] as { node: string; seen: boolean; applied: number }[],
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
async function ordered(
  own: Told,
  other: Told | null = null,
  gone: readonly string[] | null = null,
  answer: 'ok' | 'none' = 'ok',
  refusesMs = 0,
): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'nursery-promote-'));
  const ams = await new FakeCluster('').start(2);
  const orders: string[] = [];
  const fromMs = performance.now() + refusesMs;
  ams.interfere = (request, { name }) => {
    if (request.kind !== 'adminQuery') return undefined;
    if (request.query.kind === 'promote') {
      orders.push(`${request.query.isTrial ? 'asked' : 'ordered'}: ${request.query.gone.join()} gone`);
      return { bytes: encodeAnswer({ kind: answer }), hint: null };
    }
    if (name === 'n0' && performance.now() < fromMs) return failure('GOING_DOWN', 'not now');
    const told = name === 'n0' ? own : other;
    return { bytes: encodeAnswer({ kind: 'nodeStatus', ...STATUS, node: name, ...told }), hint: null };
  };
  if (other === null) await ams.nodes[1]?.stop();
  const config = join(home, 'ams.ini');
  const nodes = ams.nodes.map(({ name, port }) => {
    return { name, ip: '127.0.0.1', clientPort: port, home: join(home, name), extra: {} };
  });
  writeFileSync(config, renderClusterIni({ clusterId: 'ams', nodes, keeper: null, extra: {} }));
  const args = { config, node: 'n0', gone, yes: null, loseFrom: null, timeout: 30 };
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

test('typed once more it is done, also where one that was left is silent since, or one that was gone has joined', async () => {
  const own = { master: 'n0', role: 'master' };
  assert.match(
    await ordered(own, null, [], 'none'),
    /^(asked: {2}gone(; )?)+$/,
    'n1 is silent, and not named',
  );
  assert.match(await ordered(own, { role: 'follower' }, ['n1'], 'none'), /^(asked: n1 gone(; )?)+$/);
  const unsaid = await ordered({}, null, []).catch((error: Error) => error.message);
  assert.match(unsaid, /^--gone does not name n1, /, 'without a master');
});

test('the survivor itself is not gone: nothing is asked', async () => {
  const refused = await ordered({}, null, ['n1', 'n0']).catch((error: Error) => error.message);
  assert.is(refused, '--gone names n0, which is to go on: nothing was done');
});

test('a survivor that begins anew is waited for, longer than one question may take', async () => {
  assert.is(await ordered({}, null, null, 'ok', 1800), 'asked: n1 gone');
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

test('one that is said to be gone and answers is not ordered away: what it holds counts, or it is stopped first', async () => {
  const members = ['n0', 'n1'].map((node) => ({ node, seen: true, applied: 7 }));
  assert.match(
    await ordered({ members }, { role: 'follower' }, ['n1']),
    /^n1 answers: it is not gone; leave it out of --gone, .* or stop it first$/,
  );
  assert.match(
    await ordered({ members }, { role: 'learner' }, ['n1']),
    /^n1 answers, from a home that was emptied: stop n1 first, and type the same again.*empty it again before it is started/,
  );
  assert.match(
    await ordered({}, { role: 'learner' }, ['n1']),
    /^n1 answers: it is not gone/,
    'a learner by its file',
  );
});

test.run();
