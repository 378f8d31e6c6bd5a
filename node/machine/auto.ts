/**
 * Rebalancing by itself, as far as the keeper decides it: what people wish, and which planned moves are taken. Any number of migrators
 * may plan. What needs a clock, or what clusters hold, they judge; that two of them never add up is decided here.
 */
import type { AdminAnswer, AdminCommand, Migration } from '../../src/protocol/admin/admin.ts';
import { type AutoAnswer, autoWhy, RECENT_MAX } from '../../src/protocol/admin/auto.ts';
import { type Asked, isOpen, UNSAID } from '../../src/protocol/admin/migration.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { plan, planMerge } from './planning.ts';
import type { SystemState } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** Keeps what people wish. Who has not seen the present wish changes nothing. */
export function setAuto(draft: Draft, { seen, wish }: Of<'setAuto'>): AdminAnswer {
  const { number, who } = draft.state.auto;
  const why = autoWhy(wish);
  if (why !== null) return refused(why);
  if (wish.isOn && draft.state.map.isEmpty)
    return refused('there is no map yet: nursery init, or nursery rescue keeper, first');
  if (seen !== number)
    return refused(`it was set meanwhile, by ${who || 'somebody'}: look at it, and say so again`);
  draft.update({ auto: { ...wish, number: number + 1 } });
  return { kind: 'ok' };
}

/** Records a move, or a merge, of a plan that was made for the present map and wish, and keeps within the wish's bounds. */
export function planAuto(draft: Draft, command: Of<'planAuto'>): AdminAnswer {
  const { source, target, lo, hi } = command;
  const why = notTaken(draft.state, command);
  if (why !== null) return refused(why);
  const { rate, who } = draft.state.auto;
  const asked: Asked = { ...UNSAID, who, reason: 'auto' };
  return source === target
    ? planMerge(draft, { kind: 'planMerge', cluster: source, lo, hi, asked })
    : plan(draft, { kind: 'plan', source, target, lo, hi, asked: { ...asked, rate } });
}

/** What says of itself that nobody has asked for it must keep within the wish: it is refused elsewhere. Null where it says no such thing. */
export function asIfByAuto({ asked }: { readonly asked?: Asked }): AdminAnswer | null {
  return asked?.reason === 'auto' ? refused('what nobody has asked for is planned with planAuto') : null;
}

/** Why a plan is not carried out; null where it is. */
function notTaken({ auto, map, migrations }: SystemState, planned: Of<'planAuto'>): string | null {
  if (!auto.isOn) return 'rebalancing by itself is off';
  if (planned.wish !== auto.number)
    return `this was planned under wish ${planned.wish}, and ${auto.number} holds`;
  if (planned.mapVersion !== map.version)
    return `this was planned for version ${planned.mapVersion} of the map, which is at ${map.version}`;
  const open = [...migrations.values()].filter(isOpen);
  if (open.filter(isAuto).length >= auto.movesMax)
    return auto.movesMax === 1 ? 'one such move is open' : `${auto.movesMax} such moves are open`;
  const other = open.find((each) => takesPart(each, planned.source) || takesPart(each, planned.target));
  return other === undefined
    ? null
    : `${planned.source} or ${planned.target} takes part in migration ${other.mid}`;
}

function isAuto({ asked }: Migration): boolean {
  return asked?.reason === 'auto';
}

function takesPart({ source, target }: Migration, cluster: string): boolean {
  return source === cluster || target === cluster;
}

/** What whoever plans must know: see `autoAnswerCodec`. Records are in the order of their ids. */
export function autoFacts({ auto, migrations }: SystemState, recent: number): AutoAnswer {
  const finished = [...migrations.values()].filter((record) => !isOpen(record));
  const open = [...migrations.values()].filter(isOpen);
  const first = Math.max(0, finished.length - Math.min(recent, RECENT_MAX));
  return { wish: auto, migrations: [...finished.slice(first), ...open], isCut: first > 0 };
}
