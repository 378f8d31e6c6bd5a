/**
 * Clauses of moving a range that chance meets too rarely, or whose breach heals before anybody is hurt: schedules written
 * by hand, which planted bugs must fail (docs/planted-bugs.md).
 */
import { type Header, NO_PROGRESS, PAGE_COPY } from '../../../src/protocol/admin/admin.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { TestCluster } from '../../node/machine/cluster.ts';
import { mapOf, World } from '../../router/world.ts';
import { check } from '../base/violation.ts';
import type { Rule } from '../paxos/rules.ts';

function holds(condition: boolean, what: string): void {
  check(condition, 'migration-rule', () => what);
}

/** A target that owns nothing. */
function target(): TestCluster {
  return new TestCluster({ nursery: true });
}

function header(mid: number, token: number, lo: string, hi: string): Header {
  return { mid, token, floor: 0, lo, hi, peer: 'A' };
}

function tokensAreApart(): void {
  const cluster = target();
  cluster.expect({ kind: 'beginImport', ...header(1, 3, 'a', 'b') }, 'importing');
  const { kind } = cluster.command({ kind: 'beginImport', ...header(2, 1, 'b', 'c') });
  holds(kind === 'importing', `the first coordinator of migration 2 met the third of migration 1: ${kind}`);
}

function copiesBeginWhereTheyEnded(): void {
  const cluster = target();
  const of = header(1, 1, 'a', 'k');
  cluster.expect({ kind: 'beginImport', ...of }, 'importing');
  const copy = { ...of, seq: 1, asOf: 5, page: PAGE_COPY, from: 'c', to: 'd', rows: [] };
  const { kind } = cluster.command({ kind: 'page', ...copy });
  holds(kind === 'gap', `what lies below a copied page was never copied, and the page was taken: ${kind}`);
}

function lateClaimsFenceNobody(): void {
  const keeper = new TestCluster();
  const nodes = [{ name: 'n1', ips: ['10.0.0.1'], port: 4000 }];
  for (const cluster of ['A', 'B']) keeper.expect({ kind: 'setClusterConfig', cluster, nodes }, 'ok');
  keeper.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  const { mid } = keeper.expect({ kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null }, 'planned');
  keeper.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  const { kind } = keeper.command({ kind: 'claim', mid, tokenSeen: 0 });
  holds(kind === 'fenced', `a claim that came twice took the migration from its coordinator: ${kind}`);
  const note = keeper.command({ kind: 'note', mid, token: 1, progress: NO_PROGRESS });
  holds(note.kind !== 'fenced', 'the coordinator was fenced by a copy of its own claim');
}

function tentativeHintsAreTriedOnly(): void {
  const world = new World({});
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  const range = { lo: '', hi: 'k' };
  const entry = { ...range, owner: 'C', epoch: 9 };
  world.cluster('A').owned = [];
  world.cluster('A').hints = [{ range, hint: { entry, confirmed: false } }];
  world.cluster('C').owned = [range];
  world.ask(encodeRequest({ kind: 'set', key: 'a', value: Buffer.from('v') }));
  world.run(100);
  const isStored = world.router.view.entries.some(({ epoch }) => epoch === entry.epoch);
  holds(!isStored, 'a tentative hint was stored: after an abort it would point to the target for ever');
}

function slotsOfClustersAreNotCompared(): void {
  const world = new World({});
  world.found(mapOf(['', 'A'], ['k', 'B']));
  world.get(encodeRequest({ kind: 'get', consistency: { kind: 'atLeast', slot: 1_000_000 }, key: 'a' }));
  const sent = Buffer.from(world.sends.at(-1)?.body ?? []);
  const wanted = encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: 'a' });
  holds(sent.equals(wanted), 'a slot of one cluster was asked for of another');
}

/** A migration that was aborted while its target did not answer is below the floor of the next one. */
function stagingBelowTheFloorGoes(): void {
  const cluster = target();
  const of = header(1, 1, 'a', 'k');
  cluster.expect({ kind: 'beginImport', ...of }, 'importing');
  const rows = [{ kind: 0, key: 'b', value: Buffer.from('v') }];
  cluster.expect({ kind: 'page', ...of, seq: 1, asOf: 5, page: PAGE_COPY, from: 'a', to: 'c', rows }, 'ok');
  cluster.expect({ kind: 'beginImport', ...header(5, 1, 'x', 'y'), floor: 5 }, 'importing');
  const { imports, cleanups } = cluster.machine.state;
  holds(!imports.has(1), 'an import below the floor is there for ever');
  holds(cleanups.has(1), 'rows that were staged below the floor lie there for ever');
}

export const MIGRATION_RULES: readonly Rule[] = [
  { clause: 'tokens are compared per migration, never across them', run: tokensAreApart },
  { clause: 'a copied page begins at the cursor', run: copiesBeginWhereTheyEnded },
  { clause: 'a claim is a compare-and-set: a late one fences nobody', run: lateClaimsFenceNobody },
  { clause: 'a tentative hint is tried, never stored', run: tentativeHintsAreTriedOnly },
  { clause: 'slots of different clusters are never compared', run: slotsOfClustersAreNotCompared },
  { clause: 'what was staged below the floor goes to clean-up', run: stagingBelowTheFloorGoes },
];
