/**
 * What a master has thrown away without being asked: rows of ranges that went elsewhere, or never came, step by step, so that
 * updates go in between; and the oldest records of finished migrations, so that there is always room for the next one.
 */
import { present } from '../../src/base/assert.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { type AdminCommand, encodeCommand, type Migration } from '../../src/protocol/admin/admin.ts';
import { type AutoWish, stillCounted } from '../../src/protocol/admin/auto.ts';
import { isOpen, undoneBy } from '../../src/protocol/admin/migration.ts';
import { updateOf } from '../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import type { Machine } from '../machine/machine.ts';
import { MIGRATIONS_MAX } from '../machine/planning.ts';
import type { Driver } from './driver.ts';

/** Rows of one step. */
const ROWS_MAX = 1000;
/** Records of migrations above which the oldest finished one goes: enough below what a keeper takes that a planned one is never refused. */
export const RECORDS_KEPT = MIGRATIONS_MAX - 100;

export type CleanUpsOptions = {
  readonly driver: Pick<Driver, 'mayRead' | 'propose'> & {
    readonly machine: Pick<Machine, 'cleanups' | 'migrations' | 'auto'>;
  };
  /** Runs something after the present turn of the event loop. */
  defer(run: () => void): void;
  /** Rows of one step. Default: 1,000. */
  readonly rowsMax?: number;
  /** Records above which the oldest finished one is forgotten. Default: `RECORDS_KEPT`. */
  readonly recordsKept?: number;
};

/** The clean-ups of one node; they go on while it is master. */
export class CleanUps {
  readonly #options: CleanUpsOptions;
  /** Migrations with a step under way, or whose record is being dropped. */
  readonly #underWay = new Set<number>();

  constructor(options: CleanUpsOptions) {
    this.#options = options;
  }

  /** Begins what is to be done and not under way. To be called now and then: a step that was refused is not repeated else. */
  look(): void {
    const { driver, rowsMax = ROWS_MAX, recordsKept = RECORDS_KEPT } = this.#options;
    const { cleanups, migrations, auto } = driver.machine;
    const isCrowded = migrations.size > recordsKept;
    if ((cleanups.length === 0 && !isCrowded) || !driver.mayRead()) return;
    for (const mid of cleanups) this.#propose({ kind: 'cleanupStep', mid, rowsMax });
    const oldest = isCrowded ? oldestFinished(migrations, auto) : null;
    if (oldest !== null) this.#propose({ kind: 'forget', mid: oldest });
  }

  #propose(command: Extract<AdminCommand, { kind: 'cleanupStep' | 'forget' }>): void {
    const { driver, defer } = this.#options;
    const { mid } = command;
    if (this.#underWay.has(mid)) return;
    const update = updateOf({ kind: 'adminCommand', command }, encodeCommand(command));
    this.#underWay.add(mid);
    driver.propose(present(update, 'update of a command'), ({ bytes }) => {
      this.#underWay.delete(mid);
      if (returnCodeOf(bytes) === RETURN_CODES.OK) defer(() => this.look());
    });
  }
}

/**
 * Records are in the order of their ids. One that somebody still has to be told of stays, and so does what an order refers to, or a
 * move that takes it back: that one goes first, so that there is always one that may. So do the few that rebalancing by itself counts.
 */
function oldestFinished(migrations: ReadonlyMap<number, Migration>, auto: AutoWish): number | null {
  const undone = undoneBy(migrations.values());
  const counted = stillCounted(auto, migrations.values());
  for (const record of migrations.values()) {
    const { mid } = record;
    const isNamed = record.rescue !== undefined || undone.has(mid) || counted.has(mid);
    if (!isOpen(record) && record.isUntold !== true && !isNamed) return mid;
  }
  return null;
}
