/** The foundings of each cluster of the nursery: the one that counts, and those whose place it took, each with a history of its own. */
import { MEMBERS_KEY } from '../../../node/life/members-row.ts';
import { membersStateCodec, type Slot } from '../../../node/paxos/values.ts';
import type { Image } from '../../../node/store/memory-store.ts';
import { decode } from '../../../src/wire/codec.ts';
import { check } from '../base/violation.ts';
import { ClusterHistory } from './cluster-history.ts';
import type { NodeProcess } from './node-process.ts';

export class Foundings {
  readonly #current: Map<string, ClusterHistory>;
  readonly #former = new Map<string, ClusterHistory>();

  constructor(ids: Iterable<string>) {
    this.#current = new Map([...ids].map((id) => [id, new ClusterHistory(id)]));
  }

  /** By cluster id. */
  get current(): ReadonlyMap<string, ClusterHistory> {
    return this.#current;
  }

  /** Whether a founding was in force once, and is over by an order. */
  isOver(id: string, founding: string): boolean {
    return this.#former.has(`${id}/${founding}`);
  }

  /** The history of a founding of that id; '': of nobody yet, who will be of the one that counts. */
  of(id: string, founding: string): ClusterHistory {
    const current = this.#current.get(id) as ClusterHistory;
    const former = this.#former.get(`${id}/${founding}`);
    if (former !== undefined) return former;
    const isSole = founding === '' || current.founding === '' || current.founding === founding;
    check(isSole, 'one-founding', () => `founding ${founding} of ${id} is a second one`);
    return current;
  }

  /** The history that the slots of a node belong to; null while it is being promoted, since it takes what others need not have chosen. */
  at(node: NodeProcess): ClusterHistory | null {
    const { retired, founded, members } = node.driver.replica;
    if (isParted(node) || (retired !== null && retired.parted !== null)) return null;
    return this.of(node.cluster, founded === null ? '' : members.cluster);
  }

  /** The same of what lies on its disk. */
  ofImage(node: NodeProcess, image: Image): ClusterHistory | null {
    if (isParted(node)) return null;
    const row = image.rows.find(([key]) => key === MEMBERS_KEY);
    return this.of(node.cluster, row === undefined ? '' : decode(membersStateCodec, row[1]).cluster);
  }

  /**
   * From now on another founding counts, which begins with this image; where it is null, whichever is founded next.
   *
   * @param of what the image is of
   */
  succeed(
    id: string,
    image: Image | null,
    of: { readonly founding: string; readonly slot: Slot } | null = null,
  ): ClusterHistory {
    const before = this.#current.get(id) as ClusterHistory;
    this.#former.set(`${id}/${before.founding}`, before);
    const all = [...this.#former.values()].filter((each) => each.id === id);
    const at = all.findIndex(({ founding }) => founding === of?.founding);
    const history = all[at];
    const origin =
      of === null || history === undefined ? null : { history, slot: of.slot, between: all.slice(at + 1) };
    const after = new ClusterHistory(id, { image, name: `${before.name}'`, origin });
    this.#current.set(id, after);
    return after;
  }
}

function isParted({ hardware }: NodeProcess): boolean {
  return (hardware.disk.summary.retired?.parted ?? null) !== null;
}
