/** What stands for the founding of a cluster that is lost together with the keeper, where nobody who is left has met it. */

/** No founding has such a name: it is dead from the beginning on, and is never typed. */
export function unknownFounding(cluster: string): string {
  return `unknown-${cluster}`;
}

/** For people. */
export function printFounding(cluster: string, founding: string): string {
  return founding === unknownFounding(cluster) ? 'a founding that nobody knows' : `founding ${founding}`;
}
