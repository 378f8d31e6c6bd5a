/**
 * Clauses of moving a range that chance meets too rarely, or whose breach heals before anybody is hurt: schedules written
 * by hand, which planted bugs must fail (docs/planted-bugs.md).
 */
import { stageOf } from '../../../migrator/core/step.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { NO_ROWS } from '../../../src/keyspace/digest.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { type AdminAnswer, type Header, NO_PROGRESS, PAGE_COPY } from '../../../src/protocol/admin/admin.ts';
import { UNSAID } from '../../../src/protocol/admin/migration.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { MID, Rig } from '../../migrator/core/rig.ts';
import { failureOf, TestCluster } from '../../node/machine/cluster.ts';
import { cleanUp, give, headerOf, seal } from '../../node/machine/migrations.ts';
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

/** A process that goes down in order keeps nobody waiting for its heartbeat. */
function givenUpIsClaimedAtOnce(): void {
  const first = new Rig({ settings: { pageBytes: 1 } });
  first.step({ kind: 'start', nowMs: 0 });
  first.settle(() => first.count('page') === 1);
  first.step({ kind: 'leave', nowMs: 0 });
  first.settle();
  const pages = first.count('page');
  holds(pages === 1, `who had left sent ${pages - 1} more pages`);
  const next = new Rig({ claimAtOnce: false }, first);
  next.start();
  holds(next.count('claim') === 1, 'what was given up was waited for');
}

/** The rate stands in the record, and not with who was told first. */
function ratesOutliveTheirMigrator(): void {
  const first = new Rig({ settings: { pageBytes: 1 } });
  first.keeper.expect({ kind: 'setRate', mid: MID, rate: 0 }, 'ok');
  first.start();
  const next = new Rig({ claimAtOnce: false }, first);
  next.start();
  next.run(5000);
  holds(next.count('beginExport') === 1, 'the migration was not taken over');
  holds(next.count('readPage') === 0, 'who took over copies, and the rate is 0');
}

/** A copy of so many rows beside clients of the target, each of whom waits for a second, from its first page to its end or for so long. */
function copyBesideClients(rows: number, forMs: number): Rig {
  const rig = new Rig({ settings: { pageBytes: 1, courteousBytesMin: 100 } });
  for (let n = 0; n < rows; n += 1) rig.source.set(`l${n}`, 'v'.repeat(100));
  rig.intercept = (name, send) => {
    rig.nowMs += 1;
    const answer = rig.answerOf(send);
    return name === 'page' ? ({ ...answer, waitedMs: 1000 } as AdminAnswer) : answer;
  };
  rig.start();
  rig.run(forMs);
  return rig;
}

function copiesGiveWay(): void {
  const { keysCopied } = copyBesideClients(500, 5000).coordinator.report.progress;
  holds(keysCopied < 400, `${keysCopied} keys were copied beside clients that waited for a second each`);
}

function copiesThatGiveWayEnd(): void {
  const stage = stageOf(copyBesideClients(300, 600_000).coordinator);
  holds(stage === 'cleaning up', `clients wait, and the copy beside them never ends: ${stage}`);
}

/** A disk of the target has filled since the move was asked for; each time that its import may begin anew. */
function nothingIsCopiedWithoutRoom(): void {
  const rig = new Rig();
  let busy = 2;
  rig.intercept = (name) => {
    if (name !== 'beginImport' || busy === 0) return null;
    busy -= 1;
    if (busy === 0) rig.noRoom = 'B has no room';
    return { kind: 'busy', why: 'it cleans up' };
  };
  coordinate(rig);
  holds(rig.count('page') === 0, `${rig.count('page')} pages were sent to a target without room`);
  const why = rig.keeper.machine.migrations.get(MID)?.why;
  holds(why === 'B has no room', `the record does not say why it was given up: ${why}`);
}

/** From A to B, and back, and again: what the first one did is not what stands, though B has the range. */
function whatMovedSinceIsNotUndone(): void {
  const keeper = new TestCluster();
  const nodes = [{ name: 'n1', ips: ['10.0.0.1'], port: 4000 }];
  for (const cluster of ['A', 'B']) keeper.expect({ kind: 'setClusterConfig', cluster, nodes }, 'ok');
  keeper.expect({ kind: 'initMap', cluster: 'A' }, 'planned');
  const receipt = { sealSlot: 0, digest: NO_ROWS, pauseMs: 0, pauseAtLeast: false };
  const there = { kind: 'plan', source: 'A', target: 'B', lo: 'k', hi: null } as const;
  const back = { ...there, source: 'B', target: 'A' } as const;
  for (const move of [there, back, there]) {
    const { mid } = keeper.expect(move, 'planned');
    keeper.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
    keeper.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
    keeper.expect({ kind: 'finish', mid, token: 1 }, 'ok');
  }
  const { kind } = keeper.command({ ...back, asked: { ...UNSAID, undoes: 2 } });
  holds(kind === 'refused', `a move was taken back though its range had moved twice since: ${kind}`);
  const last = keeper.command({ ...back, asked: { ...UNSAID, undoes: 4 } });
  holds(last.kind === 'planned', `the last move was not taken back: ${last.kind}`);
}

/** The keeper plans no such merge; it may have been lost, and another one allots mids by now. */
function mergesWaitForExports(): void {
  const owner = new TestCluster();
  owner.expect({ kind: 'beginExport', ...header(5, 1, 'k', 'p') }, 'exporting');
  const merge = { kind: 'merge' as const, ...header(6, 1, '', 'z') };
  const { kind } = owner.command(merge);
  holds(
    kind === 'busy',
    `merged across an export, whose target would get an epoch below the merge's: ${kind}`,
  );
  owner.expect({ kind: 'unseal', ...header(5, 1, 'k', 'p') }, 'closed');
  owner.expect(merge, 'closed');
}

/** A client that is told so for good would give up, though the cluster serves all keys again, or another one, in a moment. */
function callsWaitWhileAllKeysMove(): void {
  const owner = target();
  give(owner, WHOLE, 2);
  owner.expect(
    { kind: 'putFunction', name: 'keys', source: Buffer.from('export default () => 1') },
    'changed',
  );
  const moving = headerOf(3, { hi: null });
  owner.expect({ kind: 'beginExport', ...moving }, 'exporting');
  owner.expect({ kind: 'setBase', ...moving, base: NO_ROWS }, 'ok');
  seal(owner, moving);
  const { code } = failureOf(owner.update({ kind: 'userFunction', name: 'keys', argument: null }));
  holds(
    code === RETURN_CODES.OUT_OF_RANGE,
    `a call without a key is refused for good while a part is sealed: ${code}`,
  );
}

/** To its end, or for so long as nothing could take. */
function coordinate(rig: Rig): void {
  rig.onStep = () => cleanUp(rig.source);
  rig.start();
  rig.run(5000);
}

/** A coordinator is taken for dead while its merge is still on its way; an operator has changed his mind meanwhile. */
function mergesAreCancelledAtTheirOwner(): void {
  const { keeper, source, target } = new Rig();
  for (const mid of [MID, MID + 1]) {
    if (mid > MID) keeper.expect({ kind: 'plan', source: 'A', target: 'B', lo: '', hi: 'k' }, 'planned');
    coordinate(new Rig({ mid }, { keeper, source, target }));
  }
  const { mid } = keeper.expect({ kind: 'planMerge', cluster: 'B', lo: '', hi: null }, 'planned');
  const owner = { keeper, source: target, target };
  const first = new Rig({ mid }, owner);
  first.intercept = (name) => (name === 'merge' ? 'silence' : null);
  first.start();
  keeper.expect({ kind: 'wish', mid, wish: 'abort', why: 'by hand' }, 'ok');
  coordinate(new Rig({ mid }, owner));
  const { phase } = keeper.machine.state.migrations.get(mid) ?? {};
  const { kind } = first.answerOf(first.lastOf('merge'));
  const outcome = target.machine.state.closed.get(mid);
  holds(phase === 'aborted', `the merge was to be aborted, and is ${phase}`);
  holds(outcome !== 'merged', `merged at its owner (${kind}), and recorded as aborted`);
}

export const MIGRATION_RULES: readonly Rule[] = [
  { clause: 'tokens are compared per migration, never across them', run: tokensAreApart },
  { clause: 'a copied page begins at the cursor', run: copiesBeginWhereTheyEnded },
  { clause: 'a claim is a compare-and-set: a late one fences nobody', run: lateClaimsFenceNobody },
  { clause: 'a tentative hint is tried, never stored', run: tentativeHintsAreTriedOnly },
  { clause: 'slots of different clusters are never compared', run: slotsOfClustersAreNotCompared },
  { clause: 'what was staged below the floor goes to clean-up', run: stagingBelowTheFloorGoes },
  { clause: 'what was given up is claimed at once', run: givenUpIsClaimedAtOnce },
  { clause: 'the rate of a copy outlives its migrator', run: ratesOutliveTheirMigrator },
  { clause: 'what has moved since is not taken back', run: whatMovedSinceIsNotUndone },
  { clause: 'a merge waits for an export across it', run: mergesWaitForExports },
  { clause: 'a merge is aborted once its owner can merge no more', run: mergesAreCancelledAtTheirOwner },
  { clause: 'a call without a key waits while all keys move', run: callsWaitWhileAllKeysMove },
  { clause: 'a copy without a rate gives way to requests that wait', run: copiesGiveWay },
  { clause: 'a copy that gives way ends', run: copiesThatGiveWayEnd },
  { clause: 'room is looked for each time that an import is to begin', run: nothingIsCopiedWithoutRoom },
];
