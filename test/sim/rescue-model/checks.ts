/** What is promised, in every state: at most one serves, no epoch comes twice, and nothing acknowledged is lost without an order. */
import { isServing, keeperOf, nameOf, type State } from './state.ts';

/** Notes who serves, and what is broken by it. */
export function look(state: State): void {
  const { foundings, ghost } = state;
  const serving = foundings.filter((each) => isServing(each) && !each.isFalse);
  const [one, two] = serving;
  if (one !== undefined && two !== undefined)
    ghost.broken ??= `${nameOf(one)} and ${nameOf(two)} both serve the key`;
  for (const founding of serving) {
    const name = nameOf(founding);
    const epoch = founding.own?.epoch ?? 0;
    const before = ghost.servedAt[epoch];
    if (before !== undefined && before !== name)
      ghost.broken ??= `${name} serves at epoch ${epoch}, and so did ${before}`;
    ghost.servedAt[epoch] = name;
    if (epoch < ghost.highestEpoch)
      ghost.broken ??= `${name} serves at epoch ${epoch}, though somebody had ${ghost.highestEpoch} before`;
    ghost.highestEpoch = Math.max(ghost.highestEpoch, epoch);
    const lost = ghost.versions.findIndex(
      ({ isLossOrdered }, index) => !isLossOrdered && index >= founding.row,
    );
    if (lost >= 0)
      ghost.broken ??= `${name} serves version ${founding.row}: version ${lost + 1} was acknowledged, and no order gave it up`;
    ghost.holder = { id: founding.id, g: founding.g };
  }
}

/** Whether all is well again: who has the key by the map serves it, and nothing is open. */
export function isWell(state: State): boolean {
  const map = keeperOf(state)?.map ?? null;
  if (map === null) return false;
  return state.foundings.some(
    (each) =>
      each.at === 'up' &&
      isServing(each) &&
      each.id === map.id &&
      each.g === map.g &&
      each.own?.epoch === map.epoch,
  );
}
