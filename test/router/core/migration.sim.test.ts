/**
 * Clients keep working while ranges move to and fro, masters change, links break, and the keeper's map comes late:
 * nothing is executed twice, what was refused was not executed, and each connection's updates keep their order.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Key, printKey } from '../../../src/base/bytes.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { contains, intersect, type Range, subtract } from '../../../src/keyspace/range.ts';
import { carve, entriesIn, type RangeMap } from '../../../src/keyspace/rangemap.ts';
import type { Hint } from '../../../src/protocol/admin/admin.ts';
import { decodeKeys, decodeMultiGet } from '../../../src/protocol/arakoon/replies.ts';
import { type Consistency, encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { type Random, seeded } from '../../support/seeded.ts';
import { type FakeCluster, mapOf, World } from '../world.ts';

const CONSISTENT: Consistency = { kind: 'consistent' };
const LETTERS = 'abcdefghij';
/** Keys that are never written, so that a range over them has one right answer at any time. */
const STEADY = [...LETTERS].map((letter) => `${letter}0`);
const CONNECTIONS = 4;

type Written = { readonly request: number; readonly origin: number; readonly value: string };

class Moves {
  readonly #world: World;
  readonly #random: Random;
  map: RangeMap;
  /** Ids of migrations that were aborted: none may appear in the router's view. */
  readonly aborted = new Set<number>();
  #lastMid = 100;
  busy = false;

  constructor(world: World, random: Random, map: RangeMap) {
    this.#world = world;
    this.#random = random;
    this.map = map;
  }

  /** One migration: copy, seal, then activate, publish and release, or abort. */
  begin(): void {
    if (this.busy) return;
    this.busy = true;
    this.#lastMid += 1;
    const mid = this.#lastMid;
    const random = this.#random;
    const entry = random.pick(this.map.entries);
    const cut = random.pick([...LETTERS]);
    const range = intersect(entry, { lo: cut, hi: random.chance(0.5) ? null : `${cut}9` }) ?? entry;
    const source = this.#world.cluster(entry.owner);
    const target = this.#world.cluster(random.pick(['A', 'B', 'C'].filter((id) => id !== entry.owner)));
    const toTarget: Hint = { entry: { ...range, owner: target.id, epoch: mid }, confirmed: false };
    const toSource: Hint = { entry: { ...range, owner: source.id, epoch: mid }, confirmed: false };
    hint(target, range, toSource);
    this.#world.at(random.below(20), () => {
      source.owned = source.owned.flatMap((owned) => subtract(owned, range));
      hint(source, range, toTarget);
    });
    const pauseMs = 20 + random.below(60);
    if (random.chance(0.3)) this.#abort(mid, range, source, target, pauseMs);
    else this.#complete(toTarget, range, source, target, pauseMs);
  }

  #abort(mid: number, range: Range, source: FakeCluster, target: FakeCluster, pauseMs: number): void {
    this.aborted.add(mid);
    this.#world.at(pauseMs, () => forget(target, mid));
    this.#world.at(pauseMs + this.#random.below(10), () => {
      source.owned.push(range);
      forget(source, mid);
      this.busy = false;
    });
  }

  #complete(toTarget: Hint, range: Range, source: FakeCluster, target: FakeCluster, pauseMs: number): void {
    const random = this.#random;
    const mid = toTarget.entry.epoch;
    this.#world.at(pauseMs, () => {
      for (const [key, value] of source.data) if (contains(range, key)) target.data.set(key, value);
      target.owned.push(range);
      forget(target, mid);
    });
    this.#world.at(pauseMs + 1 + random.below(100), () => {
      this.map = carve(this.map, range, target.id, mid);
      if (random.chance(0.5)) this.#world.giveMap(this.map);
    });
    this.#world.at(pauseMs + 101 + random.below(20), () => {
      for (const key of [...source.data.keys()]) if (contains(range, key)) source.data.delete(key);
      forget(source, mid);
      hint(source, range, { ...toTarget, confirmed: true });
      this.busy = false;
    });
  }
}

/** From now on a range error about `range` comes with `said`, until that is forgotten. */
function hint(cluster: FakeCluster, range: Range, said: Hint): void {
  cluster.hints.unshift({ range, hint: said });
}

/** Migration `mid` has ended here: what a range error says about it is what it said before. */
function forget(cluster: FakeCluster, mid: number): void {
  cluster.hints = cluster.hints.filter(({ hint: said }) => said?.entry.epoch !== mid);
}

/** @param burst requests that come at one moment, at most */
function run(random: Random, isLossy: boolean, burst: number): number {
  const world = new World({ patienceMs: 1000 });
  world.delayMs = () => random.below(4);
  const map = mapOf(['', 'A'], ['e', 'B']);
  world.found(map, 'C');
  for (const key of STEADY) {
    const owner = key < 'e' ? 'A' : 'B';
    world.cluster(owner).data.set(key, Buffer.from('steady'));
  }
  const moves = new Moves(world, random, map);
  const written: Written[] = [];
  const reads: { request: number; kind: 'range' | 'multi' }[] = [];
  if (isLossy) {
    world.intercept = (send) =>
      send.body[0] !== 2 && random.chance(0.02) ? random.pick(['lose-request', 'lose-answer']) : null;
  }
  for (let count = 0; count < 400; count += 1) {
    const origin = 1 + random.below(CONNECTIONS);
    if (random.chance(0.7)) {
      // One connection writes each key, so that its order is the only one there can be.
      const key: Key = `${random.pick([...LETTERS])}${origin}`;
      const value = `${count}`;
      const body = encodeRequest({ kind: 'set', key, value: Buffer.from(value) });
      written.push({ request: world.ask(body, origin), origin, value });
    } else if (random.chance(0.5)) {
      const [lo, hi] = [random.pick(STEADY), random.pick(STEADY)];
      const bounds = { first: lo, firstIncluded: true, last: hi, lastIncluded: true, max: -1 };
      const request = world.ask(encodeRequest({ kind: 'range', consistency: CONSISTENT, ...bounds }));
      reads.push({ request, kind: 'range' });
      checks.set(request, STEADY.filter((key) => key >= lo && key <= hi).join());
    } else {
      const request = world.ask(encodeRequest({ kind: 'multiGet', consistency: CONSISTENT, keys: STEADY }));
      reads.push({ request, kind: 'multi' });
    }
    if (random.chance(0.05)) moves.begin();
    if (isLossy && random.chance(0.02)) {
      const cluster = world.cluster(random.pick(['A', 'B', 'C']));
      cluster.master = random.chance(0.3) ? null : random.pick(cluster.nodes);
      if (cluster.master === null) world.at(random.below(300), () => (cluster.master = 'none'));
      world.at(300, () => (cluster.master = cluster.nodes[0] ?? null));
    }
    if (count % (1 + random.below(burst)) === 0) world.run(random.below(6));
    if (isLossy && random.chance(0.02)) {
      const node = random.pick([...world.peers.values()]).node;
      world.link(node, false);
      world.at(random.below(100), () => world.link(node, true));
    }
  }
  world.intercept = () => null;
  for (const cluster of world.clusters.values()) cluster.master = cluster.nodes[0] ?? null;
  for (const peer of world.router.peers.values())
    world.event({ kind: 'up', nowMs: world.nowMs, peer: peer.id });
  world.run(3_000);
  checkUpdates(world, written, isLossy);
  checkReads(world, reads);
  checkViews(world, moves);
  assert.is(world.router.held, 0, 'nothing is held at the end');
  assert.is(world.router.heldBytes, 0);
  assert.is(world.router.lanes.size, 0);
  assert.is(world.router.queuedBytes, 0);
  return world.router.counters.runs;
}

const checks = new Map<number, string>();

/**
 * What was acknowledged of a connection took effect in its order, wherever it did. What was on a link that was lost may
 * still arrive, behind what came after it.
 */
function checkOrder(world: World, written: readonly Written[]): void {
  const values = world.executed.flatMap((request) =>
    request.kind === 'set' ? [Number(Buffer.from(request.value))] : [],
  );
  const origins = new Map<number, number>();
  for (const { request, origin, value } of written) {
    if (returnCodeOf(world.answerTo(request).bytes) === RETURN_CODES.OK) origins.set(Number(value), origin);
  }
  for (let origin = 1; origin <= CONNECTIONS; origin += 1) {
    const mine = values.filter((value) => origins.get(value) === origin);
    const inOrder = [...mine].sort((a, b) => a - b);
    assert.equal(mine, inOrder, `connection ${origin}, all clusters together`);
  }
}

function checkUpdates(world: World, written: readonly Written[], isLossy: boolean): void {
  const times = new Map<string, number>();
  for (const cluster of world.clusters.values()) {
    for (const request of cluster.executed) {
      if (request.kind !== 'set') continue;
      const value = Buffer.from(request.value).toString();
      times.set(value, (times.get(value) ?? 0) + 1);
      const { request: number } = written.find((one) => one.value === value) as Written;
      assert.ok(number > 0);
    }
  }
  checkOrder(world, written);
  for (const { request, value } of written) {
    const code = returnCodeOf(world.answerTo(request).bytes);
    const executed = times.get(value) ?? 0;
    if (code === RETURN_CODES.OK) assert.is(executed, 1, `update ${value} was acknowledged`);
    else if (code === RETURN_CODES.MAYBE_APPLIED) assert.ok(isLossy && executed <= 1, `update ${value}`);
    else assert.is(executed, 0, `update ${value} was refused with ${code}`);
  }
}

function checkReads(world: World, reads: readonly { request: number; kind: 'range' | 'multi' }[]): void {
  let successes = 0;
  for (const { request, kind } of reads) {
    const { bytes } = world.answerTo(request);
    const code = returnCodeOf(bytes);
    if (code !== RETURN_CODES.OK) {
      assert.ok(code === RETURN_CODES.GOING_DOWN || code === RETURN_CODES.NOT_MASTER, `read: ${code}`);
      continue;
    }
    successes += 1;
    if (kind === 'multi') {
      assert.is(decodeMultiGet(bytes).length, STEADY.length);
    } else {
      const steady = decodeKeys(bytes).filter((key) => key.endsWith('0'));
      assert.is(steady.map(printKey).join(), checks.get(request));
    }
  }
  // Bursts take little time: an election in their midst may last for most of them.
  assert.ok(successes > reads.length / 10, `${successes} of ${reads.length} reads succeeded`);
}

function checkViews(world: World, moves: Moves): void {
  for (const { epoch } of world.router.view.entries) {
    assert.not.ok(moves.aborted.has(epoch), 'a tentative hint was stored');
  }
  for (const entry of world.router.view.entries) {
    for (const actual of entriesIn(moves.map, entry)) {
      assert.ok(entry.epoch <= actual.epoch, 'the view holds nothing that never was');
      if (entry.epoch === actual.epoch) assert.is(entry.owner, actual.owner);
    }
  }
}

let runs = 0;
for (let round = 0; round < 15; round += 1) {
  seeded(`moves alone, round ${round}`, (random) => void run(random, false, 1));
  seeded(`moves, elections and losses, round ${round}`, (random) => void run(random, true, 1));
  seeded(`moves while connections pipeline, round ${round}`, (random) => void run(random, false, 20));
  seeded(`moves, elections and losses while connections pipeline, round ${round}`, (random) => {
    runs += run(random, true, 20);
  });
}

test('updates went in runs, too', () => {
  assert.ok(runs > 100, `${runs} runs`);
});

test.run();
