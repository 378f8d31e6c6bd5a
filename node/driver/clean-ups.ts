/** Has rows of ranges deleted that went elsewhere, or never came: step by step, so that updates go in between. */
import { present } from '../../src/base/assert.ts';
import { RETURN_CODES } from '../../src/base/errors.ts';
import { encodeCommand } from '../../src/protocol/admin/admin.ts';
import { updateOf } from '../../src/protocol/arakoon/requests.ts';
import { returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import type { Machine } from '../machine/machine.ts';
import type { Driver } from './driver.ts';

/** Rows of one step. */
const ROWS_MAX = 1000;

export type CleanUpsOptions = {
  readonly driver: Pick<Driver, 'mayRead' | 'propose'> & { readonly machine: Pick<Machine, 'cleanups'> };
  /** Runs something after the present turn of the event loop. */
  defer(run: () => void): void;
  /** Rows of one step. Default: 1,000. */
  readonly rowsMax?: number;
};

/** The clean-ups of one node; they go on while it is master. */
export class CleanUps {
  readonly #options: CleanUpsOptions;
  /** Migrations with a step under way. */
  readonly #underWay = new Set<number>();

  constructor(options: CleanUpsOptions) {
    this.#options = options;
  }

  /** Begins what is to be done and not under way. To be called now and then: a step that was refused is not repeated else. */
  look(): void {
    const { driver } = this.#options;
    if (driver.machine.cleanups.length === 0 || !driver.mayRead()) return;
    for (const mid of driver.machine.cleanups) if (!this.#underWay.has(mid)) this.#step(mid);
  }

  #step(mid: number): void {
    const { driver, defer, rowsMax = ROWS_MAX } = this.#options;
    const command = { kind: 'cleanupStep', mid, rowsMax } as const;
    const update = updateOf({ kind: 'adminCommand', command }, encodeCommand(command));
    this.#underWay.add(mid);
    driver.propose(present(update, 'update of a command'), ({ bytes }) => {
      this.#underWay.delete(mid);
      if (returnCodeOf(bytes) === RETURN_CODES.OK) defer(() => this.look());
    });
  }
}
