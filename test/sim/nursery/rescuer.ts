/** Somebody types `nursery rescue promote`, `lost` or `keeper`, or `restore --replace`, and may be interrupted at each step of it (src/cli). */
import { statusOf } from '../../../node/paxos/step.ts';
import { successor } from '../../../src/base/bytes.ts';
import type { Image } from '../../../src/cli/export/lines.ts';
import { readFunctions, WITHOUT_OWN } from '../../../src/cli/functions-of.ts';
import { newestFunctions, whyNotNewest } from '../../../src/cli/rescue/newest-functions.ts';
import { type Bound, predecessorsOf } from '../../../src/cli/rescue/predecessors.ts';
import { rebuild, type Told } from '../../../src/cli/rescue/rebuild.ts';
import type { Made } from '../../../src/cli/restore/make-home.ts';
import { type Place, placeOf, replacementOf } from '../../../src/cli/restore/succession.ts';
import { DigestSum, NO_ROWS } from '../../../src/keyspace/digest.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  decodeAnswer,
  encodeQuery,
  type Migration,
  type Order,
  PAGE_COPY,
  type Row,
} from '../../../src/protocol/admin/admin.ts';
import type { FunctionSet } from '../../../src/protocol/admin/functions.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { Violation } from '../base/violation.ts';
import { Asker, type Question } from './asker.ts';
import type { ImageRow } from './backups.ts';
import { Host } from './host.ts';
import type { Link } from './network.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

/** Between two repetitions of an order to a node (ms). */
const REPEAT_MS = 500;
/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
/** Rows of a page that is brought from a backup: few, so that it takes several. */
const COPY_ROWS = 2;
/** What cannot be done now is tried again after so long (ms). */
const AGAIN_MS = 300;

/** Whom to promote, in which founding, and who is gone by the word of people. */
export type Promotion = {
  readonly name: string;
  readonly founding: string;
  readonly gone: readonly string[];
};

/** Rows that are brought of a range, ascending. */
export type RowSource = (range: Range) => readonly ImageRow[];
/** A home that was made from an image, and its node. */
export type MadeHome = Made & { readonly node: string };

type Ask = { readonly cluster: string; readonly question: Question };
/** The steps of a command, each with the answer to the one before; ends with whether all is done. */
export type Script = Generator<Ask, boolean, AdminAnswer | string>;
type Under = Extract<AdminCommand, { kind: 'under' }>['command'];

/** A process at somebody's terminal. */
export class Rescuer extends Host {
  readonly #nursery: Nursery;
  readonly #asker: Asker;
  readonly #links = new Map<string, Link>();
  /** Questions asked, of all kinds. */
  steps = 0;

  constructor(nursery: Nursery) {
    super(nursery.schedule, 'op', 0);
    this.#nursery = nursery;
    this.#asker = new Asker(nursery, this);
  }

  /** Orders a survivor to be promoted, again and again, as long as `wanted` says whom. */
  promote(wanted: () => Promotion | null): void {
    const order = wanted();
    if (order === null) return;
    const { name, founding, gone } = order;
    this.steps += 1;
    const link = this.#links.get(name) ?? this.#nursery.linkTo(this, name);
    this.#links.set(name, link);
    const loseFrom = this.#lostFrom(name);
    const query = { kind: 'promote' as const, founding, gone: [...gone], loseFrom, isTrial: false };
    link.request(encodeQuery(query), NODE_MS, (result) => {
      if (result.kind !== 'reply' || returnCodeOf(result.bytes) !== 0) return;
      const answer = decodeAnswer(result.bytes);
      if (answer.kind === 'refused') this.#nursery.note(`refused: ${answer.why}`, name);
    });
    this.local(REPEAT_MS, () => this.promote(wanted));
  }

  /** What its status tells people to add. */
  #lostFrom(name: string): number | null {
    const node = this.#nursery.nodeAt(name);
    if (node === null) return null;
    const said = statusOf(node.driver.replica, node.nowMs()).waitsFor ?? '';
    this.#nursery.trace?.(name, () => `waits for: ${said}`);
    const slot = /--lose-from (\d+)/.exec(said)?.[1];
    if (slot === undefined) return null;
    this.#nursery.rare.note('rescue: slots that nobody has are given up');
    return Number(slot);
  }

  /** Runs a script, and once more until it is through. */
  type(script: () => Script, done: () => void): void {
    this.#go(
      script(),
      (isDone) => {
        if (isDone) done();
        else this.local(AGAIN_MS, () => this.type(script, done));
      },
      null,
    );
  }

  #go(script: Script, ended: (isDone: boolean) => void, answer: AdminAnswer | string | null): void {
    const next = answer === null ? script.next() : script.next(answer);
    if (next.done === true) {
      ended(next.value);
      return;
    }
    this.steps += 1;
    const { cluster, question } = next.value;
    this.#nursery.trace?.('op', () => `asks ${cluster}: ${JSON.stringify(question, plain)}`);
    this.#asker.ask(cluster, question, (said) => {
      this.#nursery.trace?.('op', () => `hears ${JSON.stringify(said, plain)}`);
      this.#go(script, ended, said);
    });
  }
}

function tell(cluster: string, command: AdminCommand): Ask {
  return { cluster, question: { kind: 'command', command } };
}

function look(query: Extract<Question, { kind: 'query' }>['query']): Ask {
  return { cluster: KEEPER, question: { kind: 'query', query, node: 'master' } };
}

/** The foundings of `cluster` are dead: what the map gives them comes to `at`, from a backup where one has it. As `runLost` does it. */
export function* lose(
  cluster: string,
  foundings: readonly string[],
  { at, rows }: { readonly at: string; readonly rows: RowSource },
): Script {
  for (const founding of foundings) {
    const said = yield tell(KEEPER, { kind: 'lose', cluster, founding, takenMs: 1 });
    const order = typeof said !== 'string' && said.kind === 'orders' ? said.orders[0] : undefined;
    if (order === undefined) return false;
    if (!(yield* isSettled(order.order)) || !(yield* giveUp(order.order))) return false;
    if (!(yield* bring(order, at, rows))) return false;
  }
  return true;
}

/**
 * A cluster whose homes are gone begins anew with an image, in the place of its founding. As `restoreInNursery` does it.
 *
 * @param make makes the home, once
 */
export function* replaceByImage(
  { cluster, typed, image }: { readonly cluster: string; readonly typed: string; readonly image: Image },
  make: (place: Place, keeper: string) => MadeHome,
): Script {
  const map = yield look({ kind: 'getMap' });
  const orders = yield look({ kind: 'listOrders' });
  const migrations = yield look({ kind: 'listMigrations' });
  if (typeof map === 'string' || map.kind !== 'keeperMap' || map.nursery === undefined) return false;
  if (typeof orders === 'string' || orders.kind !== 'orders') return false;
  if (typeof migrations === 'string' || migrations.kind !== 'migrations') return false;
  const known = { ...map, orders: orders.orders, migrations: migrations.migrations };
  const home = make(placeOf(image, typed, known), map.nursery.founding);
  const what = { cluster, node: { name: home.node }, known, file: { image } };
  const answer = yield tell(KEEPER, replacementOf(what, home, 1));
  return typeof answer !== 'string' && answer.kind === 'given';
}

/** Whoever answers under the addresses of the keeper, and knows nothing yet, takes its place. As `runKeeper` does it. */
export function* rebuildKeeper(nursery: Nursery): Script {
  const said = yield look({ kind: 'getMap' });
  const founding =
    typeof said !== 'string' && said.kind === 'keeperMap' ? (said.nursery?.founding ?? '') : '';
  if (typeof said === 'string' || said.kind !== 'keeperMap' || founding === '') return false;
  // Homes of a keeper whose place was taken answer too, until they meet it: the command refuses them, and is typed again.
  if (founding !== nursery.watch.cluster(KEEPER).founding) return false;
  if (!said.map.isEmpty) return true;
  const bound = boundOf(nursery);
  if (bound === null) return false;
  const { from, replaced, order } = predecessorsOf(bound, founding);
  const keeper = { cluster: KEEPER, founding, nodes: placesOf(nursery, KEEPER) };
  const told: Told[] = [];
  for (const { cluster, keeper: current } of bound) {
    const answer = yield tell(cluster, { kind: 'adopt', order, from: current, keeper });
    if (typeof answer === 'string' || answer.kind !== 'belongings') return false;
    const { kind: _, ...belongings } = answer;
    told.push({ cluster, belongings });
  }
  const rebuilt = rebuild(told, {
    order,
    keeper: { cluster: KEEPER, founding, from },
    lost: [],
    unclaimed: null,
    yields: [],
  });
  if ('whyNot' in rebuilt) throw new Violation('progress', `no map follows: ${rebuilt.whyNot.join('; ')}`);
  const functions = yield* functionsFrom(told);
  if (functions === null) return false;
  const met = [...replaced, ...told.flatMap(({ belongings }) => belongings.keepers)];
  const installed = yield tell(KEEPER, {
    kind: 'install',
    order,
    from,
    replaced: [...new Set(met)].filter((each) => each !== founding),
    takenMs: 1,
    clusters: rebuilt.clusters.map((each) => ({ ...each, nodes: placesOf(nursery, each.cluster) })),
    entries: [...rebuilt.entries],
    migrations: [...rebuilt.migrations],
    lastMid: rebuilt.lastMid,
    functions,
  });
  return typeof installed !== 'string' && installed.kind === 'orders';
}

/** The functions with which the new keeper goes on; null where the node that is asked does not say them (yet). */
export function* functionsFrom(
  told: readonly Told[],
): Generator<Ask, FunctionSet | null, AdminAnswer | string> {
  const from = newestFunctions(told);
  if (from === null) return { version: 0, functions: [] };
  const reading = readFunctions(WITHOUT_OWN);
  let next = reading.next();
  while (next.done !== true) {
    const query = { kind: 'functionsAbove', version: next.value } as const;
    const said = yield { cluster: from.cluster, question: { kind: 'query', query, node: 'master' } };
    if (typeof said === 'string' || said.kind !== 'functionsPage') return null;
    next = reading.next(said);
  }
  return whyNotNewest(from, from.cluster, next.value) === null ? next.value : null;
}

/** What nodes say of the keeper that their clusters belong to; null where one says nothing yet. */
function boundOf({ watch, plan }: Nursery): Bound[] | null {
  const all = [...plan.sizes.keys()].filter((id) => id !== KEEPER);
  const bound = all.flatMap((cluster): Bound[] => {
    const { founding, state } = watch.cluster(cluster);
    if (state === null || state.bound === null) return [];
    const { bound: to, keepers, adopted } = state;
    return [{ cluster, founding, keeper: to.keeper.founding, keepers, adopted }];
  });
  return bound.length < all.length ? null : bound;
}

/** What the file of a cluster says. */
export function placesOf(nursery: Nursery, cluster: string): { name: string; ips: string[]; port: number }[] {
  return nursery.membership.wishedOf(cluster).map((name) => ({ name, ips: [name], port: 1 }));
}

function* openMoves(): Generator<Ask, readonly Migration[] | null, AdminAnswer | string> {
  const said = yield look({ kind: 'listMigrations' });
  if (typeof said === 'string' || said.kind !== 'migrations') return null;
  return said.migrations.filter(({ phase }) => phase === 'active' || phase === 'published');
}

/** Whether migrators have settled the moves of an order. */
function* isSettled(order: number): Script {
  const open = yield* openMoves();
  return open?.every(({ rescue }) => rescue?.order !== order || rescue.isCopy) === true;
}

/** Copies that somebody began, and nobody goes on with. */
function* giveUp(order: number): Script {
  const open = yield* openMoves();
  if (open === null) return false;
  for (const record of open) {
    if (record.rescue?.order !== order || !record.rescue.isCopy || record.phase !== 'active') continue;
    const copy = yield* claim(record.mid);
    if (copy === null) return false;
    const ended = yield copy.ask({ kind: 'abandon', ...copy.header });
    if (typeof ended === 'string' || ended.kind !== 'closed') return false;
    if (ended.outcome === 'activated' && !(yield* publish(copy))) return false;
    const { mid, token } = copy.header;
    if (ended.outcome !== 'activated' && !isOk(yield tell(KEEPER, { kind: 'settle', mid, token })))
      return false;
  }
  return true;
}

function* bring(order: Order, at: string, rows: RowSource): Script {
  const said = yield look({ kind: 'getMap' });
  if (typeof said === 'string' || said.kind !== 'keeperMap') return false;
  for (const { lo, hi, owner, founding } of said.map.entries) {
    if (owner !== order.cluster || founding !== order.was) continue;
    if (!(yield* copy(order.order, { lo, hi }, { at, rows: rows({ lo, hi }) }))) return false;
  }
  return true;
}

function* copy(
  order: number,
  { lo, hi }: Range,
  { at: target, rows }: { readonly at: string; readonly rows: readonly ImageRow[] },
): Script {
  const planned = yield tell(KEEPER, { kind: 'planCopy', order, target, lo, hi });
  if (typeof planned === 'string' || planned.kind !== 'planned') return false;
  const claimed = yield* claim(planned.mid);
  if (claimed === null) return false;
  const { header, ask } = claimed;
  const begun = yield ask({ kind: 'beginImport', ...header });
  if (typeof begun === 'string' || begun.kind !== 'importing') return false;
  const sum = new DigestSum(NO_ROWS);
  let from = lo;
  let seq = 0;
  for (let at = 0; seq === 0 || at < rows.length; at += COPY_ROWS) {
    const some = rows.slice(at, at + COPY_ROWS).map(({ key, value }): Row => ({ kind: 0, key, value }));
    for (const { key, value } of rows.slice(at, at + COPY_ROWS)) sum.add(key, value);
    const last = at + COPY_ROWS < rows.length ? some.at(-1) : undefined;
    const to = last === undefined ? hi : successor(last.key);
    seq += 1;
    const page = { seq, asOf: 0, page: PAGE_COPY, from, to, rows: some };
    if (!isOk(yield ask({ kind: 'page', ...header, ...page }))) return false;
    if (to !== null) from = to;
  }
  const digest = sum.total();
  const activated = yield ask({ kind: 'activate', ...header, seq, sealSlot: 0, digest });
  const isThere =
    typeof activated !== 'string' && activated.kind === 'closed' && activated.outcome === 'activated';
  return isThere && (yield* publish(claimed));
}

type Copy = {
  readonly header: {
    readonly mid: number;
    readonly token: number;
    readonly floor: number;
    readonly lo: string;
    readonly hi: string | null;
    readonly peer: string;
  };
  ask(command: Under): Ask;
};

function* claim(mid: number): Generator<Ask, Copy | null, AdminAnswer | string> {
  const found = yield look({ kind: 'getMigration', mid });
  const known = typeof found !== 'string' && found.kind === 'migrations' ? found.migrations[0] : undefined;
  if (known === undefined) return null;
  const said = yield tell(KEEPER, { kind: 'claim', mid, tokenSeen: known.token });
  if (typeof said === 'string' || said.kind !== 'claimed') return null;
  const { token, floor, record } = said;
  const { lo, hi, source: peer, target, foundings } = record;
  const ends = foundings ?? { keeper: '', source: '', target: '' };
  return {
    header: { mid, token, floor, lo, hi, peer },
    ask: (command) =>
      tell(target, {
        kind: 'under',
        keeper: ends.keeper,
        founding: ends.target,
        peer: ends.source,
        command,
      }),
  };
}

function* publish({ header: { mid, token } }: Copy): Script {
  const receipt = { sealSlot: 0, digest: NO_ROWS, pauseMs: 0, pauseAtLeast: false };
  if (!isOk(yield tell(KEEPER, { kind: 'publish', mid, token, receipt }))) return false;
  const finished = yield tell(KEEPER, { kind: 'finish', mid, token });
  // Once it is published any migrator may have claimed it, and finishes it.
  return typeof finished !== 'string' && (finished.kind === 'ok' || finished.kind === 'fenced');
}

function isOk(answer: AdminAnswer | string): boolean {
  return typeof answer !== 'string' && answer.kind === 'ok';
}

function plain(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
