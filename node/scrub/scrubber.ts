/** Compares this node's store with its peers', a stretch of rows at a time, at slots that the log agrees on. */

import { present, unreachable } from '../../src/base/assert.ts';
import { printKey } from '../../src/base/bytes.ts';
import { NurseryError } from '../../src/base/errors.ts';
import { includesLife } from '../../src/identity/founding.ts';
import type { Logger } from '../../src/process/log.ts';
import { encodeCommand } from '../../src/protocol/admin/admin.ts';
import { updateOf } from '../../src/protocol/arakoon/requests.ts';
import type { Driver } from '../driver/driver.ts';
import type { Scheduler } from '../driver/scheduler.ts';
import type { ScrubOrder } from '../machine/machine.ts';
import type { Incarnation, NodeName, Slot } from '../paxos/values.ts';
import { PausableView } from '../serve/pausable-view.ts';
import type { Store, StoreKey } from '../store/types.ts';
import { type Finding, Findings, type Verdict } from './findings.ts';
import { digestRows } from './rows.ts';

/** Rows of one step, unless their bytes end it before. */
const STEP_ROWS = 1000;
/** Steps are this much rarer while clients write: the log and the loop are theirs. */
const BUSY_FACTOR = 10;
/** A step may take this share of the time at most. */
const TIME_SHARE = 0.05;
/** Digests that may be under way; while the log is replayed there may be more orders than that, and they are skipped. */
const UNDER_WAY_MAX = 2;
/** How long members may differ before it counts that no majority has formed (ms): it waits for those that lag. */
const SPLIT_AFTER_MS = 1000;
/** Between two steps over rows that are in doubt (ms). */
const DOUBT_EVERY_MS = 1000;

export type ScrubberOptions = {
  readonly node: NodeName;
  readonly driver: Driver;
  readonly store: Store;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** Between two steps of this node while it is master (ms); 0: never. */
  readonly stepMs: number;
  /** Between the end of the store and its beginning (ms). */
  readonly restMs: number;
  nowMs(): number;
  after(delayMs: number, run: () => void): void;
  /** Tells one peer, or all. */
  tell(finding: Finding, to: NodeName | null): void;
  /** A majority holds other rows than this node; called once. */
  differs(what: string): void;
};

/** One node's part in it. */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #findings: Findings;
  /** Where the next step begins: every node keeps it, so that a new master goes on from there. */
  #next: StoreKey = '';
  #dueMs = 0;
  #proposed = false;
  #underWay = 0;
  /** Where the rows begin that nobody can say are right. */
  #doubt: StoreKey | null = null;
  /** The last slot at which another node was found to be wrong: it is said once. */
  #warnedSlot: Slot = 0;
  #isOver = false;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#findings = new Findings(options.node);
  }

  /** Proposes the next step where this node is the master, and it is time. To be called often. */
  tick(): void {
    const { driver, node, nowMs, stepMs } = this.#options;
    if (stepMs === 0 || this.#isOver || this.#proposed || this.#underWay > 0) return;
    if (this.#members().length < 2 || driver.master() !== node) return;
    const isBusy = driver.proposals.waiting + driver.proposals.inFlight > 0;
    if (nowMs() < this.#dueMs + (isBusy ? (BUSY_FACTOR - 1) * stepMs : 0)) return;
    const command = { kind: 'scrub', from: this.#doubt ?? this.#next, rowsMax: STEP_ROWS } as const;
    const update = present(updateOf({ kind: 'adminCommand', command }, encodeCommand(command)), 'update');
    this.#proposed = true;
    this.#dueMs = nowMs() + stepMs;
    driver.proposeOwn(update, () => {
      this.#proposed = false;
    });
  }

  /** To be called after each slot, before the next one changes the store. */
  applied(slot: Slot): void {
    const order = this.#options.driver.machine.scrub;
    if (order?.slot !== slot || this.#isOver || this.#underWay === UNDER_WAY_MAX) return;
    const { store, scheduler, driver, nowMs } = this.#options;
    const view = new PausableView(store);
    const beganMs = nowMs();
    this.#underWay += 1;
    const end = (): void => {
      view.close();
      this.#underWay -= 1;
    };
    scheduler.run(
      digestRows(view, order),
      ({ next, digest }) => {
        end();
        this.#found(order, { slot, from: order.from, next, digest }, nowMs() - beganMs);
      },
      (error) => {
        end();
        // An image that was closed meanwhile, by its age or by the end of the node, is no damage.
        if (!(error instanceof NurseryError)) driver.storeFailed(error as Error);
      },
      () => view.pin(),
    );
  }

  /** What a peer found. Only a life that is a member has a say. */
  received(from: NodeName, incarnation: Incarnation, finding: Finding): void {
    const { members } = this.#options.driver.replica.members;
    if (this.#isOver) return;
    if (!includesLife(members, { node: from, incarnation })) return;
    if (!this.#findings.add(from, finding)) return;
    // Whoever is wrong must hear it from a majority, and what was told while its link was down is lost.
    const mine = this.#findings.own(finding.slot);
    if (mine !== null && mine.digest !== finding.digest) this.#options.tell(mine, from);
    this.#weigh(finding.slot, false);
  }

  #members(): NodeName[] {
    return this.#options.driver.replica.members.members.map(({ node }) => node);
  }

  #found(order: ScrubOrder, finding: Finding, tookMs: number): void {
    const { driver, tell, nowMs, stepMs, restMs } = this.#options;
    driver.counters.scrubSteps += 1;
    const pauseMs = Math.max(stepMs, tookMs / TIME_SHARE);
    if (this.#doubt !== null) this.#dueMs = nowMs() + Math.max(pauseMs, DOUBT_EVERY_MS);
    else this.#dueMs = nowMs() + (finding.next === null ? Math.max(pauseMs, restMs) : pauseMs);
    this.#next = finding.next ?? '';
    this.#findings.add(this.#options.node, finding);
    tell(finding, null);
    this.#weigh(order.slot, false);
  }

  /** @param isLate members that have not spoken by now are not waited for any longer */
  #weigh(slot: Slot, isLate: boolean): void {
    if (this.#isOver) return;
    const verdict = this.#findings.verdict(slot, this.#members());
    switch (verdict.kind) {
      case 'open':
        return;
      case 'same':
        this.#agree(slot, verdict);
        return;
      case 'differs':
        this.#condemn(verdict);
        return;
      case 'split':
        if (verdict.final || isLate) this.#suspect(slot, verdict);
        else this.#options.after(SPLIT_AFTER_MS, () => this.#weigh(slot, true));
        return;
      default:
        unreachable(verdict);
    }
  }

  #agree(slot: Slot, { others }: Extract<Verdict, { kind: 'same' }>): void {
    const { logger, driver } = this.#options;
    const { from, next } = present(this.#findings.own(slot), 'own finding');
    if (others.length > 0 && slot !== this.#warnedSlot) {
      this.#warnedSlot = slot;
      logger.warn(
        { slot, ...rowsOf(from, next), nodes: others.join(' ') },
        'stores of other nodes are damaged',
      );
    }
    if (from !== this.#doubt) return;
    this.#doubt = null;
    driver.doubt(false);
    logger.info({ slot, ...rowsOf(from, next) }, 'stores agree again; this node serves');
  }

  #condemn({ mine, theirs }: Extract<Verdict, { kind: 'differs' }>): void {
    const { driver, logger, differs } = this.#options;
    this.#isOver = true;
    driver.counters.scrubDifferences += 1;
    const { slot, from, next } = mine;
    const facts = { slot, ...rowsOf(from, next), mine: mine.digest, theirs: theirs.digest };
    logger.error(facts, 'the store of this node differs from those of a majority');
    differs(`rows ${facts.from} to ${facts.next} at slot ${slot} differ from those of a majority`);
  }

  /** Nobody knows who is right, so nobody serves until a further member, or an operator, has decided it. */
  #suspect(slot: Slot, { findings }: Extract<Verdict, { kind: 'split' }>): void {
    const { driver, logger } = this.#options;
    const { from, next } = present(this.#findings.own(slot), 'own finding');
    if (this.#doubt !== null) return;
    this.#doubt = from;
    driver.counters.scrubDifferences += 1;
    driver.doubt(true);
    const digests = [...findings].map(([node, { digest }]) => `${node} ${digest}`).join(', ');
    logger.error(
      { slot, ...rowsOf(from, next), digests },
      'stores differ and no majority says which is right: this node serves no more, until one does or one of the stores is deleted',
    );
  }
}

/** Rows of a finding, for people. Store keys: the table's number goes first. */
function rowsOf(from: StoreKey, next: StoreKey | null): { readonly from: string; readonly next: string } {
  return { from: printKey(from), next: next === null ? 'the end' : printKey(next) };
}
