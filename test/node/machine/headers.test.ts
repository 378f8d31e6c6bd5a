/** The checks common to all migration commands, in their order: floor, token, outcome, then the command's own rules. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { AdminCommand, Header } from '../../../src/protocol/admin/admin.ts';
import { TestCluster } from './cluster.ts';
import { headerOf } from './migrations.ts';

/** Every command with a header, with arguments that would do something if they could. */
const commands = (header: Header): AdminCommand[] => [
  { kind: 'beginImport', ...header },
  { kind: 'page', ...header, seq: 1, asOf: 1, page: 0, from: 'k', to: 'l', rows: [] },
  { kind: 'activate', ...header, seq: 0, sealSlot: 1, digest: NO_ROWS },
  { kind: 'abandon', ...header },
  { kind: 'beginExport', ...header },
  { kind: 'setBase', ...header, base: NO_ROWS },
  { kind: 'trim', ...header, from: 'k', to: 't', slot: 100 },
  { kind: 'seal', ...header, rowsMax: 1, bytesMax: 1 },
  { kind: 'unseal', ...header },
  { kind: 'release', ...header },
];

/** What a command may change although it is refused: floor and token. */
function rest(cluster: TestCluster): [string, string][] {
  return cluster.dump().filter(([key]) => !/machine\.(?:floor|token)/.test(key));
}

for (const { kind } of commands(headerOf(5))) {
  const commandOf = (header: Header): AdminCommand =>
    commands(header).find((command) => command.kind === kind) as AdminCommand;

  test(`${kind} below the floor is closed, and changes nothing but the floor`, () => {
    const cluster = new TestCluster();
    const before = rest(cluster);
    assert.equal(cluster.command(commandOf(headerOf(5, { floor: 6 }))), { kind: 'closed', outcome: null });
    assert.is(cluster.status(headerOf(5)).floor, 6);
    assert.is(cluster.status(headerOf(5)).token, 0, 'no token is kept below the floor');
    assert.equal(
      cluster.command(commandOf(headerOf(5))),
      { kind: 'closed', outcome: null },
      'the floor stays',
    );
    assert.equal(rest(cluster), before);
  });

  test(`${kind} with an older token is fenced, and changes nothing`, () => {
    const cluster = new TestCluster();
    cluster.command({ kind: 'release', ...headerOf(5, { token: 3 }) });
    const before = cluster.dump();
    assert.equal(cluster.command(commandOf(headerOf(5, { token: 2 }))), { kind: 'fenced', token: 3 });
    assert.equal(cluster.dump(), before);
  });

  test(`${kind} of a closed migration is answered with its outcome, which never changes`, () => {
    const cluster = new TestCluster();
    cluster.expect({ kind: 'unseal', ...headerOf(5) }, 'closed');
    const before = rest(cluster);
    const late = headerOf(5, { token: 9 });
    assert.equal(cluster.command(commandOf(late)), { kind: 'closed', outcome: 'unsealed' });
    assert.equal(rest(cluster), before);
    assert.is(cluster.status(late).token, 9, 'the token is kept all the same');
  });

  test(`${kind} keeps its token, also when the migration is unknown and the command refused`, () => {
    const cluster = new TestCluster();
    cluster.command(commandOf(headerOf(5, { token: 4 })));
    assert.is(cluster.status(headerOf(5)).token, 4);
  });
}

test('tokens are compared per migration, never across migrations', () => {
  const cluster = new TestCluster();
  cluster.expect({ kind: 'release', ...headerOf(5, { token: 7 }) }, 'none');
  cluster.expect({ kind: 'beginExport', ...headerOf(6, { token: 1 }) }, 'exporting');
});

test('a command of another migration never touches an import, export or seal', () => {
  const cluster = new TestCluster();
  cluster.expect({ kind: 'beginExport', ...headerOf(5) }, 'exporting');
  const other = headerOf(6);
  for (const command of commands(other)) {
    if (['beginImport', 'beginExport', 'abandon', 'unseal'].includes(command.kind)) continue;
    assert.equal(cluster.command(command), { kind: 'none' }, command.kind);
  }
  assert.is(cluster.command({ kind: 'beginImport', ...other }).kind, 'busy');
  assert.is(cluster.command({ kind: 'beginExport', ...other }).kind, 'busy');
  cluster.expect({ kind: 'unseal', ...other }, 'closed');
  assert.ok(cluster.status(headerOf(5)).exporting, 'the other unseal left it alone');
});

test('a record is touched only with its own range', () => {
  const cluster = new TestCluster();
  cluster.expect({ kind: 'beginExport', ...headerOf(5) }, 'exporting');
  for (const command of commands(headerOf(5, { hi: null }))) {
    if (['beginImport', 'page', 'activate', 'abandon'].includes(command.kind)) continue;
    assert.is(cluster.command(command).kind, 'refused', command.kind);
  }
});

test('outcomes and tokens below the floor are forgotten; those above stay', () => {
  const cluster = new TestCluster();
  for (const mid of [5, 6, 7]) cluster.expect({ kind: 'unseal', ...headerOf(mid, { token: 2 }) }, 'closed');
  cluster.command({ kind: 'abandon', ...headerOf(9, { floor: 7 }) });
  const { closed, tokens } = cluster.machine.state;
  assert.equal([...closed.keys()], [7, 9]);
  assert.equal([...tokens.keys()], [7, 9]);
  cluster.restart();
  assert.equal(cluster.machine.state.closed, closed);
  assert.equal(cluster.command({ kind: 'beginExport', ...headerOf(5) }), { kind: 'closed', outcome: null });
});

test('a range that is empty or turned round is refused by what would make a record of it', () => {
  const cluster = new TestCluster();
  for (const bounds of [
    { lo: 't', hi: 't' },
    { lo: 't', hi: 'k' },
    { lo: 'x'.repeat(5000), hi: null },
  ]) {
    assert.is(cluster.command({ kind: 'beginExport', ...headerOf(5, bounds) }).kind, 'refused');
    assert.is(cluster.command({ kind: 'beginImport', ...headerOf(5, bounds) }).kind, 'refused');
  }
});

test('(!) no command touches a record with another range, from either side', () => {
  const source = new TestCluster();
  source.expect({ kind: 'beginExport', ...headerOf(5) }, 'exporting');
  const target = new TestCluster({ nursery: true });
  target.expect({ kind: 'beginImport', ...headerOf(5) }, 'importing');
  const [exported, imported] = [rest(source), rest(target)];
  for (const range of [{ lo: 'j' }, { lo: 'l' }, { hi: 's' }, { hi: 'u' }, { hi: null }]) {
    for (const command of commands(headerOf(5, range))) {
      const isTarget = ['beginImport', 'page', 'activate', 'abandon'].includes(command.kind);
      const cluster = isTarget ? target : source;
      assert.match(cluster.expect(command, 'refused').why, /another range/, command.kind);
    }
  }
  assert.equal([rest(source), rest(target)], [exported, imported]);
});

test.run();
