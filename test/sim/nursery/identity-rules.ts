/**
 * Who is who, clause by clause: what the keeper binds, whom a cluster takes commands from, whose word counts, and where nobody is
 * sent. Each is the turn at which rows would enter, or leave, another founding (docs/architecture.md, "Identity").
 */
import { Acquaintances, TWICE_AFTER_MS } from '../../../node/members/acquaintances.ts';
import { MapFollower } from '../../../src/client/map-follower.ts';
import type { ClaimedAddress, Introduction } from '../../../src/identity/founding.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { carve, EMPTY_MAP, RangeMap } from '../../../src/keyspace/rangemap.ts';
import { CLOSE, refusal } from '../../../src/link/frames.ts';
import type { AdminCommand, Header, KeeperMap } from '../../../src/protocol/admin/admin.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { KEEPER, LIFE, Meeting, STAGING, says } from '../../node/identity/meeting.ts';
import { TestCluster } from '../../node/machine/cluster.ts';
import { mapOf, World } from '../../router/world.ts';
import { hello } from '../../src/link/pair.ts';
import { check } from '../base/violation.ts';
import type { Rule } from '../paxos/rules.ts';

const [K, ME, PEER] = ['keeper', 'mine', 'theirs'];

function holds(condition: boolean, what: string): void {
  check(condition, 'one-founding', () => what);
}

// ── The keeper's register ──────────────────────────────────────────────────────────────────────────────────

function keeper(): TestCluster {
  const at = new TestCluster({ nursery: true });
  at.command({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: K });
  return at;
}

function introduce(
  at: TestCluster,
  cluster: string,
  founding: string,
  more: Partial<Introduction> = {},
): void {
  const members = [{ node: `${cluster}_0`, incarnation: founding, learner: false }];
  const fields = { cluster, founding, keeper: '', version: 1, members, owned: [], ...more };
  at.command({ kind: 'introduce', ...fields });
}

function boundAt(at: TestCluster, cluster: string): string {
  return at.machine.state.identities.get(cluster)?.founding ?? '';
}

/** Where clients look for the only node of A. */
function placeOf(at: TestCluster): string {
  const nodes = at.machine.keeperMap().clusters.find(({ cluster }) => cluster === 'A')?.nodes ?? [];
  return nodes.map(({ name, port }) => `${name} ${port}`).join();
}

function claim(at: TestCluster, process: string, port: number, more: Partial<ClaimedAddress> = {}): void {
  const self = { cluster: 'A', founding: 'a1', node: 'A_0', incarnation: 'a1', ips: ['10.0.0.1'], port };
  at.command({ kind: 'claimAddress', ...self, label: '', process, insists: false, ...more });
}

function twoOfOneId(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  introduce(at, 'A', 'a2');
  holds(boundAt(at, 'A') === 'a1', 'the founding that came last is bound');
}

function removedForEver(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  at.command({ kind: 'dropCluster', cluster: 'A' });
  introduce(at, 'A', 'a1');
  holds(boundAt(at, 'A') === '', 'a founding that was removed is bound again');
}

function ownsWhatTheMapSays(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  at.command({ kind: 'initMap', cluster: 'A' });
  // B has ranges since before foundings were known: it owns nothing, or something else, whoever it is.
  introduce(at, 'B', 'b1', { owned: [{ lo: 'k', hi: null, epoch: 7, sealedBy: null }] });
  holds(boundAt(at, 'B') === '', 'a cluster is bound that owns what the map gives to another one');
}

function oneBeginsTheMap(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  introduce(at, 'B', 'b1', { owned: [{ ...WHOLE, epoch: 0, sealedBy: null }] });
  at.command({ kind: 'initMap', cluster: 'A' });
  holds(at.machine.keeperMap().map.isEmpty, 'a map begins while another cluster owns everything');
}

function addressOfAPresentLife(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  claim(at, 'old', 6000, { incarnation: 'older' });
  holds(placeOf(at) === '', 'an old life puts an old address back');
  claim(at, 'first', 5000);
  holds(placeOf(at) === 'A_0 5000', 'the present life is not reached');
  introduce(at, 'A', 'a1', { version: 9, members: [{ node: 'A_1', incarnation: 'x', learner: false }] });
  claim(at, 'first', 7000);
  holds(placeOf(at) === '', 'a removed node puts its address back');
}

function arakoonChangesNothing(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  claim(at, 'first', 5000);
  at.command({ kind: 'setClusterConfig', cluster: 'A', nodes: [{ name: 'A_0', ips: ['::1'], port: 1 }] });
  holds(placeOf(at) === 'A_0 5000', 'a client of Arakoon changes the addresses of a bound cluster');
}

function copyGetsNobody(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  claim(at, 'first', 5000);
  claim(at, 'copy', 6000);
  holds(placeOf(at) === 'A_0 5000', 'clients are sent to a copy');
  claim(at, 'first', 5000);
  claim(at, 'copy', 6000, { insists: true });
  holds(placeOf(at) === 'A_0 5000', 'a copy is taken while its original speaks');
}

// ── At a cluster ───────────────────────────────────────────────────────────────────────────────────────────

const header: Header = { mid: 5, token: 1, floor: 2, lo: 'a', hi: 'k', peer: 'B' };
type Plain = Extract<AdminCommand, { kind: 'under' }>['command'];

function under(
  command: Plain,
  more: { keeper?: string; founding?: string; peer?: string } = {},
): AdminCommand {
  return { kind: 'under', keeper: K, founding: ME, peer: PEER, ...more, command };
}

function bound(): TestCluster {
  const at = new TestCluster({ nursery: true });
  at.command({ kind: 'bind', keeper: { cluster: 'K', founding: K, nodes: [] }, mine: ME });
  return at;
}

function changesNothing(at: TestCluster, what: string, ...commands: AdminCommand[]): void {
  const before = at.slot;
  const { owned, imports, exports, tokens, floor, bound: belongs } = at.machine.state;
  for (const command of commands) at.command(command);
  const after = at.machine.state;
  const isSame =
    after.owned === owned &&
    after.imports === imports &&
    after.exports === exports &&
    after.tokens === tokens &&
    after.floor === floor &&
    after.bound === belongs;
  holds(isSame && at.slot > before, what);
}

function boundOnce(): void {
  const another = { cluster: 'K', founding: 'another', nodes: [] };
  changesNothing(bound(), 'a cluster changes its keeper', { kind: 'bind', keeper: another, mine: ME });
}

function meantForIt(): void {
  const begin: Plain = { kind: 'beginImport', ...header };
  changesNothing(bound(), 'another keeper commands', under(begin, { keeper: 'another' }));
  changesNothing(
    bound(),
    'a command for another founding is carried out',
    under(begin, { founding: 'other' }),
  );
  changesNothing(bound(), 'rows come from nobody knows which founding', under(begin, { peer: '' }));
  changesNothing(bound(), 'a command that names nobody is carried out', begin);
  const unbound = new TestCluster({ nursery: true });
  changesNothing(unbound, 'a cluster that is not bound takes something', under({ kind: 'assume', epoch: 1 }));
}

function withWhomItBegan(): void {
  const at = bound();
  at.command(under({ kind: 'beginImport', ...header }));
  const later: Plain = { kind: 'abandon', ...header, token: 9 };
  changesNothing(at, 'a move goes on with another founding', under(later, { peer: 'other' }));
}

// ── Who is heard ───────────────────────────────────────────────────────────────────────────────────────────

function anotherKeeperIsNotHeard(): void {
  const meeting = new Meeting().bound();
  meeting.answer = () => says('dead', 'elsewhere', STAGING);
  meeting.pass(10_000);
  holds(meeting.stops.length === 0, 'a cluster stops on the word of another keeper');
  meeting.answer = () => says('inForce', '', STAGING);
  meeting.pass(10_000);
  holds(meeting.introduction.refusal !== null, 'a cluster serves on the word of another keeper');
}

function servesOnceToldSo(): void {
  const meeting = new Meeting().bound();
  meeting.pass(10_000);
  holds(
    meeting.introduction.refusal !== null,
    'a cluster serves before the keeper has said that it is in force',
  );
  meeting.introduction.heard({ founding: 'other', serves: true, refused: '' });
  holds(meeting.introduction.refusal !== null, 'a cluster serves since one of another founding does');
}

function whoIsRefusedTellsItsPeers(): void {
  const meeting = new Meeting();
  meeting.answer = () => says('free');
  meeting.pass(1000);
  meeting.answer = () => says('taken', 'by another one');
  meeting.pass(5000);
  const said = meeting.told.find(({ word }) => word.founding === LIFE && word.refused !== '');
  const [stop] = meeting.stops;
  holds(
    stop !== undefined && said !== undefined && stop.atMs > said.atMs,
    'it stops, and its peers wait for it',
  );
}

function forgottenVote(): void {
  const met = new Acquaintances(() => 0);
  const start = { round: 0, proposer: '', slot: 0 };
  met.meet('n', 'life', { ...start, process: 'p1' });
  const ballot = { round: 3, node: 'm.life' };
  met.heard('n', 'life', 'p1', { kind: 'accepted', cluster: 'c', ballot, slot: 7 });
  const doubt = met.meet('n', 'life', { process: 'p2', round: 3, proposer: 'm.life', slot: 6 });
  holds(doubt?.forEver === true, 'a home that went back in time is heard');
}

function twiceAtOnce(): void {
  let nowMs = 0;
  const met = new Acquaintances(() => nowMs);
  const memory = (process: string) => ({ process, round: 1, proposer: 'm', slot: 5 });
  met.meet('n', 'life', memory('original'));
  const line = { closedWhy: null, heardMs: 0 };
  met.talks('n', memory('original'), line);
  holds(met.meet('n', 'life', memory('copy')) !== null, 'a copy is heard beside its original');
  nowMs = 2 * TWICE_AFTER_MS;
  line.heardMs = nowMs;
  holds(met.meet('n', 'life', memory('copy'))?.forEver === true, 'a copy beside its original goes on');
}

function foundingsOnLinks(): void {
  const said = refusal({ ...hello('A'), founding: 'a1' }, { ...hello('A'), founding: 'a2' });
  holds(said?.close === CLOSE.otherFounding, 'two foundings of one cluster talk to each other');
}

// ── Routers ────────────────────────────────────────────────────────────────────────────────────────────────

function nothingForADeadFounding(): void {
  const world = new World();
  const map = mapOf(['', 'A'], ['k', 'B']);
  world.found(map);
  const entries = map.entries.map((entry) => (entry.owner === 'A' ? { ...entry, founding: 'a1' } : entry));
  const clusters = (world.router.keeper?.clusters ?? []).map((config) =>
    config.cluster === 'A' ? { ...config, founding: 'a2' } : config,
  );
  world.event({
    kind: 'map',
    nowMs: world.nowMs,
    map: { map: RangeMap.of(2, entries), clusters },
    changed: null,
  });
  world.run(100);
  const request = world.ask(encodeRequest({ kind: 'set', key: 'a', value: Buffer.from('v') }));
  world.run(1000);
  holds(world.updatesSent('a') === 0, 'what is meant for a founding is sent to another one');
  holds(!world.answers.has(request), 'what is meant for a founding is answered by another one');
  const asked = [...world.peers.values()].filter(({ cluster }) => cluster === 'A');
  holds(
    asked.length > 0 && asked.every(({ founding }) => founding === 'a2'),
    'the router takes any founding at the addresses of one',
  );
}

function mapsOfOneKeeper(): void {
  const of = (founding: string, version: number): KeeperMap => ({
    map: carve(EMPTY_MAP, WHOLE, founding, 1).at(version),
    clusters: [],
    nursery: { founding, replaced: [] },
  });
  const follower = new MapFollower();
  follower.whole(of(K, 5));
  holds(follower.whole(of('staging', 9)) === null, 'the map of another keeper is followed');
}

function whoJoinedADeadFounding(): void {
  const founding = 'd'.repeat(32);
  const meeting = new Meeting(['a', 'b', 'c']);
  meeting.answer = () => says('taken', 'taken');
  meeting.joins(founding, 'b');
  holds(meeting.introduction.founding === founding, 'an empty home did not join a founding that works');
  meeting.answer = () => says('dead', 'over, for ever');
  meeting.pass(10_000);
  holds(meeting.stops.length === 1, 'it stays in a founding that is dead');
}

function wordsOfANewKeeper(): void {
  const meeting = new Meeting().bound();
  meeting.answer = () => says('taken', 'another one', KEEPER, true);
  meeting.pass(30_000);
  holds(
    meeting.stops.length === 0,
    'stopped, since a keeper that has no map yet knows another one by its id',
  );
  meeting.answer = () => says('dead', 'named as lost', KEEPER, true);
  meeting.pass(10_000);
  holds(meeting.stops.length === 1, 'goes on, though a rescue has called its founding dead');
}

function waitsForNothing(): void {
  const meeting = new Meeting().unconfirmed('w'.repeat(32));
  meeting.answer = () => says('dead', 'elsewhere', STAGING);
  meeting.pass(10_000);
  holds(meeting.stops.length === 0, 'a founding that waits stops on the word of another keeper');
  meeting.answer = () => says('dead', 'another one took its place');
  meeting.pass(10_000);
  holds(meeting.stops.length === 1, 'it waits for ever, and a later keeper would take it for the cluster');
  holds(meeting.stops[0]?.over === LIFE, 'its home forgets that it is over');
  const follower = new Meeting().unconfirmed('w'.repeat(32));
  follower.world.driver.mayRead = () => false;
  follower.answer = () => says('dead', 'another one took its place');
  follower.pass(10_000);
  holds(follower.stops.length === 1, 'one of its nodes that is no master waits for ever');
}

function tooLateForEver(): void {
  const at = keeper();
  introduce(at, 'A', 'a1');
  at.command({ kind: 'initMap', cluster: 'A' });
  const says = (founding: string): string => {
    const moves = { activated: [], imports: 0, lastMid: 0 };
    const who = { cluster: 'A', keeper: K, was: 'a1', founding, after: ['a1'], version: 1, members: [] };
    const answer = at.command({ kind: 'replace', ...who, owned: [], ...moves, takenMs: 1 });
    return answer.kind === 'standing' ? answer.verdict : answer.kind;
  };
  holds(says('a2') === 'given', 'a founding that comes back gets nothing');
  holds(says('a3') === 'dead', 'of two that take the place of one, the second waits for ever');
  holds(says('a2') === 'given' && boundAt(at, 'A') === 'a2', 'the first does not go on');
}

export const IDENTITY_RULES: readonly Rule[] = [
  { clause: 'of two foundings of one id the first one chosen is bound', run: twoOfOneId },
  { clause: 'what was removed is dead for ever', run: removedForEver },
  {
    clause: 'where there is a map, a founding is bound that owns just what it says',
    run: ownsWhatTheMapSays,
  },
  { clause: 'no map begins while another cluster owns something', run: oneBeginsTheMap },
  { clause: 'each node tells its own address, in its present life, alone', run: addressOfAPresentLife },
  { clause: 'clients of Arakoon change nothing of a bound cluster', run: arakoonChangesNothing },
  { clause: 'nobody is sent to a copy while its original speaks', run: copyGetsNobody },
  { clause: 'a cluster is bound to one keeper, once', run: boundOnce },
  {
    clause: 'a command that is meant for another one changes nothing, not even floor and token',
    run: meantForIt,
  },
  { clause: 'a move goes on with the foundings that it began with', run: withWhomItBegan },
  { clause: 'another keeper is heard by nobody', run: anotherKeeperIsNotHeard },
  { clause: 'a cluster serves once its keeper, or a peer that serves, has said so', run: servesOnceToldSo },
  { clause: 'who is refused tells its peers before it stops', run: whoIsRefusedTellsItsPeers },
  { clause: 'a life that has forgotten a vote is refused', run: forgottenVote },
  { clause: 'of two processes of one life the second is refused', run: twiceAtOnce },
  { clause: 'two foundings exchange nothing beyond the hello', run: foundingsOnLinks },
  { clause: 'a router sends to the founding that the map names alone', run: nothingForADeadFounding },
  { clause: 'versions of maps are compared within one keeper', run: mapsOfOneKeeper },
  { clause: 'who has joined a dead founding stops', run: whoJoinedADeadFounding },
  {
    clause: 'who waits to be confirmed, and is over, stops, and its home remembers (!)',
    run: waitsForNothing,
  },
  { clause: 'of two that take the place of one founding the second is over', run: tooLateForEver },
  { clause: 'a keeper that is new stops nobody but by the word that it is dead (!)', run: wordsOfANewKeeper },
];
