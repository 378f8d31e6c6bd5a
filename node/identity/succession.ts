/**
 * A founding that took the place of another one, and its keeper: tells it once more and again, until the keeper has said which ranges
 * are still its own, and then has its cluster take that over (docs/architecture.md, "Rescue"). Until then nothing is served.
 */

import { highest } from '../../src/keyspace/sweep.ts';
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import { encodeUpdate } from '../../src/protocol/arakoon/updates.ts';
import { replacedBy } from '../paxos/members-state.ts';
import type { Notes } from '../serve/notes.ts';
import { livesOf } from './announcement.ts';
import type { IntroductionOptions, KeeperLink } from './contract.ts';
import { OverForEver } from './over.ts';

/** Pause between two attempts (ms). */
const AGAIN_MS = 500;

/** One node's part in it; only a master does anything. */
export class Succession {
  readonly #options: IntroductionOptions;
  readonly #notes: Notes;
  #isBusy = false;
  #nextMs = 0;

  constructor(options: IntroductionOptions, notes: Notes) {
    this.#options = options;
    this.#notes = notes;
  }

  /** Why nothing is served yet; null where that is not so. */
  get why(): string | null {
    const { unconfirmed, bound } = this.#options.driver.machine;
    if (unconfirmed === '') return null;
    return `this founding took the place of ${unconfirmed}, and waits until keeper ${bound?.keeper.cluster} has said which ranges are still its own`;
  }

  /** Does what is due, where there is something to wait for. */
  tick(founding: string, link: () => KeeperLink): void {
    const { driver, nowMs } = this.#options;
    if (this.why === null || this.#isBusy || nowMs() < this.#nextMs || !driver.mayRead()) return;
    this.#isBusy = true;
    const keeper = driver.machine.bound?.keeper.founding ?? '';
    link().ask({ kind: 'command', command: this.#replacement(keeper, founding) }, (answer) => {
      this.#nextMs = nowMs() + AGAIN_MS;
      if (typeof answer === 'string') this.#wait(`it does not answer (${answer})`);
      else if (answer.kind === 'given') this.#take(answer, keeper, founding);
      else if (answer.kind === 'standing' && answer.verdict === 'dead' && answer.keeper.founding === keeper)
        this.#stop(answer.why, keeper, founding);
      else this.#wait('why' in answer ? answer.why : `it answers ${answer.kind}`);
    });
  }

  /** Its own keeper has said so of this founding; not of whatever it has become while that was on its way. */
  #stop(why: string, keeper: string, founding: string): void {
    this.#isBusy = false;
    const { driver, home, stop } = this.#options;
    const { bound } = driver.machine;
    if (bound?.keeper.founding === keeper && bound.mine === founding)
      stop('OTHER_CLUSTER', new OverForEver(founding, why, home));
  }

  #wait(why: string): void {
    this.#isBusy = false;
    const { bound } = this.#options.driver.machine;
    this.#notes.set('succession', `${this.why}; keeper ${bound?.keeper.cluster}: ${why}`);
  }

  /** Whoever was asked may have been lost since, and have come here late: then it is asked anew. */
  #take(
    { kind: _, ...given }: Extract<AdminAnswer, { kind: 'given' }>,
    keeper: string,
    founding: string,
  ): void {
    const { driver, logger } = this.#options;
    const { bound } = driver.machine;
    if (bound?.keeper.founding !== keeper || bound.mine !== founding) {
      this.#isBusy = false;
      return;
    }
    const command: AdminCommand = { kind: 'confirm', keeper, founding, given };
    driver.propose(encodeUpdate({ kind: 'admin', command }), () => {
      this.#isBusy = false;
      if (this.why !== null) return; // its cluster did not take that over
      this.#notes.clear('succession');
      logger.warn(
        { order: given.order, ranges: given.ranges.length },
        'the keeper has confirmed this founding',
      );
    });
  }

  #replacement(keeper: string, founding: string): AdminCommand {
    const { driver, clusterId, store, wallMs } = this.#options;
    const { state } = driver.machine;
    const activated = [...state.closed].flatMap(([mid, outcome]) =>
      outcome === 'activated' || outcome === 'merged' ? [mid] : [],
    );
    const met = [
      state.floor,
      state.assumed,
      ...state.tokens.keys(),
      ...state.owned.map(({ epoch }) => epoch),
    ];
    return {
      kind: 'replace',
      cluster: clusterId,
      keeper,
      was: state.unconfirmed,
      founding,
      after: replacedBy(driver.replica.members),
      version: store.slot,
      members: livesOf(this.#options, []),
      owned: [...state.owned],
      activated,
      imports: state.imports.size,
      lastMid: highest(met),
      takenMs: wallMs(),
    };
  }
}
