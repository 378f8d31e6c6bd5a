/** That the keeper takes what nobody has asked for only as it may: of the present map, under the wish in force, and within its bounds. */
import type { SystemState } from '../../../node/machine/system-state.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import type { AdminCommand, Migration } from '../../../src/protocol/admin/admin.ts';
import { isMerge, isOpen } from '../../../src/protocol/admin/migration.ts';
import type { Rare } from '../base/rare.ts';
import { check } from '../base/violation.ts';

type Move = Range & { readonly source: string; readonly target: string };
type Asked = { readonly mapVersion: number; readonly wish: number };

export class AutoWatch {
  readonly #rare: Rare;
  /** For which map, and under which wish, each move was ever planned. */
  readonly #asked = new Map<string, Asked[]>();

  constructor(rare: Rare) {
    this.#rare = rare;
  }

  /** A migrator sends this to the keeper. */
  asked(command: AdminCommand): void {
    if (command.kind !== 'planAuto') return;
    const { mapVersion, wish } = command;
    this.#asked.set(nameOf(command), [...(this.#asked.get(nameOf(command)) ?? []), { mapVersion, wish }]);
  }

  /** The keeper has applied a slot, in which several commands may have been. */
  applied(before: SystemState, after: SystemState): void {
    if (before.map.isEmpty) return; // a new keeper begins with what it was told
    for (const record of after.migrations.values())
      if (record.asked?.reason === 'auto' && !before.migrations.has(record.mid))
        this.#checkTaken(record, before, after);
  }

  #checkTaken(record: Migration, before: SystemState, after: SystemState): void {
    const { mid, source, target } = record;
    this.#rare.note(isMerge(record) ? 'auto merge planned' : 'auto move planned');
    const isBetween = (value: number, of: (state: SystemState) => number): boolean =>
      value >= of(before) && value <= of(after);
    const asked = this.#asked.get(nameOf(record)) ?? [];
    check(
      asked.some(
        ({ mapVersion, wish }) =>
          isBetween(mapVersion, ({ map }) => map.version) && isBetween(wish, ({ auto }) => auto.number),
      ),
      'auto',
      () =>
        `migration ${mid} is taken at version ${after.map.version} under wish ${after.auto.number}, and was planned ${JSON.stringify(asked)}`,
    );
    check(before.auto.isOn || after.auto.isOn, 'auto', () => `migration ${mid} is taken while it is off`);
    const earlier = [...after.migrations.values()].filter((each) => isOpen(each) && each.mid < mid);
    const own = earlier.filter((each) => each.asked?.reason === 'auto').length + 1;
    const most = Math.max(before.auto.movesMax, after.auto.movesMax);
    check(own <= most, 'auto', () => `migration ${mid} is the ${own}. of its kind that is open, of ${most}`);
    const other = earlier.find((each) =>
      [each.source, each.target].some((id) => id === source || id === target),
    );
    check(
      other === undefined,
      'auto',
      () => `migration ${mid} is taken, and ${other?.mid} has ${source} or ${target}`,
    );
  }
}

function nameOf({ source, target, lo, hi }: Move): string {
  return JSON.stringify([source, target, lo, hi]);
}
