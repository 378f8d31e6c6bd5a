/** The judge of whole nurseries, of hand-written histories. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LEAP, promotedRows } from '../../../node/life/first-image.ts';
import { MEMBERS_KEY } from '../../../node/life/members-row.ts';
import { scanAll } from '../../../node/machine/store-keys.ts';
import type { SystemState } from '../../../node/machine/system-state.ts';
import { type MembersState, membersStateCodec } from '../../../node/paxos/values.ts';
import type { StoreKey } from '../../../node/store/types.ts';
import { present } from '../../../src/base/assert.ts';
import { WHOLE } from '../../../src/keyspace/range.ts';
import { encode } from '../../../src/wire/codec.ts';
import { TestCluster } from '../../node/machine/cluster.ts';
import { Rare } from '../base/rare.ts';
import { Violation } from '../base/violation.ts';
import { History } from './history.ts';
import type { NodeProcess } from './node-process.ts';
import { KEEPER, Watch } from './watch.ts';

/** A keeper, as the judge sees it: each command is a slot that `node` is the first to apply. */
class Keeper {
  readonly #watch: Watch;
  readonly #node: string;
  readonly members: MembersState;
  readonly at = new TestCluster({ nursery: true });

  constructor(watch: Watch, node: string, members: MembersState) {
    this.#watch = watch;
    this.#node = node;
    this.members = members;
  }

  introduce(founding: string, version = 1): void {
    const members = [{ node: 'A1', incarnation: founding, learner: false }];
    this.command({ kind: 'introduce', cluster: 'A', founding, keeper: '', version, members, owned: [] });
  }

  command(command: Parameters<TestCluster['command']>[0]): void {
    this.at.command(command);
    this.shows(this.at.machine.state);
  }

  /** The next slot, after which its machine shows this. */
  shows(state: SystemState): void {
    const replica = { retired: null, founded: { state: this.members }, members: this.members };
    const node = {
      ...{ cluster: KEEPER, name: this.#node, hardware: { disk: { summary: {} } } },
      driver: { replica, machine: { state } },
    } as unknown as NodeProcess;
    const history = present(this.#watch.historyOf(node), 'a history');
    const slot = history.top + 1;
    const changes =
      slot === 0 ? new Map([[MEMBERS_KEY, encode(membersStateCodec, this.members)]]) : new Map();
    this.#watch.committed(node, changes, slot);
    this.#watch.applied(node, slot);
  }
}

/** A keeper k1 that gives A everything, and k2, which a survivor of it begins, and nobody has told anything yet. */
function promoted(): { readonly former: Keeper; readonly survivor: Keeper } {
  const rare = new Rare();
  const watch = new Watch([KEEPER, 'A'], new History(rare, []), rare, () => undefined);
  const lives = ['K1', 'K2', 'K3'].map((node) => ({ node, incarnation: `k1-${node}` }));
  const former = new Keeper(watch, 'K1', { cluster: 'k1', members: lives, superseded: [] });
  former.command({ kind: 'bind', keeper: { cluster: KEEPER, founding: 'k1', nodes: [] }, mine: 'k1' });
  former.introduce('a1');
  former.command({ kind: 'initMap', cluster: 'A' });
  const { store, slot } = former.at;
  const to = slot + LEAP;
  const { members, changes } = promotedRows(store, former.members, {
    survivor: { node: 'K2', incarnation: 'k2' },
    to,
  });
  const survivor = new Keeper(watch, 'K2', members);
  survivor.at.store.commit(changes, to);
  survivor.at.restart();
  const rows: [StoreKey, Uint8Array][] = [];
  scanAll(survivor.at.store, '', null, (key, value) => {
    rows.push([key, value]);
  });
  watch.began(KEEPER, { slot: to, rows }, { founding: 'k1', slot });
  return { former, survivor };
}

/** The new keeper is told what there is. */
function tell(survivor: Keeper): void {
  survivor.command({
    ...{ kind: 'install', order: 1, from: 'k1', replaced: ['k1'], takenMs: 1 },
    clusters: [{ cluster: 'A', founding: 'a1', nodes: [{ name: 'A1', ips: ['A1'], port: 1 }] }],
    entries: [{ ...WHOLE, owner: 'A', epoch: 1, founding: 'a1' }],
    migrations: [],
    lastMid: 1_000_001,
  });
}

function isViolation(what: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof Violation && error.message.match(what) !== null;
}

test('a former keeper whose homes come back goes on in a register of its own: the new one has bound nobody by that (nursery, 793)', () => {
  const { former, survivor } = promoted();
  former.introduce('a1', 2);
  survivor.introduce('x1'); // an impostor, before anybody has told who is who
  tell(survivor);
  assert.is(survivor.at.machine.state.identities.get('A')?.founding, 'a1');
});

test('what a former keeper binds is judged as before', () => {
  const { former } = promoted();
  const { state } = former.at.machine;
  const identity = present(state.identities.get('A'), 'A');
  const other = {
    ...state,
    identities: new Map([...state.identities, ['A', { ...identity, founding: 'a2' }]]),
  };
  assert.throws(() => former.shows(other), isViolation(/cluster A was founding a1, and is a2 now/));
});

test('a new keeper that binds a founding, another one, and the first again is seen', () => {
  const { survivor } = promoted();
  survivor.introduce('a1');
  const { state } = survivor.at.machine;
  const identity = present(state.identities.get('A'), 'A');
  const bound = (founding: string): SystemState => ({
    ...state,
    identities: new Map([...state.identities, ['A', { ...identity, founding }]]),
  });
  survivor.shows(bound('x1'));
  assert.throws(() => survivor.shows(bound('a1')), isViolation(/founding a1 of A is bound a second time/));
});

test.run();
