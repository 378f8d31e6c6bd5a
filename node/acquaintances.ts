/**
 * The same life twice: a copied home beside its original, a machine image that was started again, a file system that was rolled
 * back. A life is one process at a time, and never forgets what it has told; a peer that sees otherwise refuses it
 * (docs/architecture.md, "Identity").
 */
import type { Memory } from '../src/link/frames.ts';
import type { Message } from './paxos/messages.ts';
import {
  type Ballot,
  compareBallots,
  type Incarnation,
  NO_BALLOT,
  type NodeName,
  type Recovered,
  type Slot,
} from './paxos/types.ts';

/** How long an older process of the same life must go on talking before it is taken for alive (ms): above a link's heartbeat. */
export const TWICE_AFTER_MS = 1500;

/** A link to a process, as far as this is concerned. */
export type Line = { readonly closedWhy: string | null; readonly heardMs: number };

/** Why somebody is not talked to: `forEver`, or until it is clear which process is alive. */
export type Doubt = { readonly forEver: boolean; readonly why: string };

/** What one life has told this node. */
type Known = {
  readonly incarnation: Incarnation;
  process: string;
  promised: Ballot;
  slot: Slot;
  lines: Line[];
  /** Since when another process says that it is this life (ms). */
  doubtedMs: number | null;
};

/** What a node remembers when its process starts: the highest ballot that it promised, and the highest slot of its log and store. */
export function memoryOf(process: string, recovered: Recovered): Memory {
  const { promised, accepted, chosen, applied, firstLogSlot } = recovered;
  const slot = Math.max(chosen, applied, firstLogSlot - 1, ...accepted.map((entry) => entry.slot), 0);
  return { process, round: promised.round, proposer: promised.node, slot };
}

/** Whom a node has met since its own process began. */
export class Acquaintances {
  readonly #known = new Map<NodeName, Known>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A process introduces itself. Null where it may be talked to. */
  meet(node: NodeName, incarnation: Incarnation, memory: Memory): Doubt | null {
    const known = this.#known.get(node);
    const promised = { round: memory.round, node: memory.proposer };
    if (known === undefined || known.incarnation !== incarnation) {
      const { process, slot } = memory;
      this.#known.set(node, { incarnation, process, promised, slot, lines: [], doubtedMs: null });
      return null;
    }
    if (known.process === memory.process) return null;
    if (compareBallots(promised, known.promised) < 0 || memory.slot < known.slot) {
      return {
        forEver: true,
        why: `${node} has forgotten a vote that it sent here (slot ${known.slot}, ballot ${known.promised.round}): its home went back in time`,
      };
    }
    const nowMs = this.#nowMs();
    known.lines = known.lines.filter(({ closedWhy }) => closedWhy === null);
    if (known.lines.length > 0) {
      known.doubtedMs ??= nowMs;
      const { doubtedMs } = known;
      const isAlive = known.lines.some(({ heardMs }) => heardMs > doubtedMs + TWICE_AFTER_MS);
      return isAlive
        ? {
            forEver: true,
            why: `${node} runs twice in one life: its home was copied, and the original is running`,
          }
        : { forEver: false, why: `another process of ${node} is connected; it is being watched` };
    }
    known.process = memory.process;
    known.promised = promised;
    known.slot = memory.slot;
    known.doubtedMs = null;
    return null;
  }

  /** A link to a process that was met is open. */
  talks(node: NodeName, memory: Memory, line: Line): void {
    const known = this.#known.get(node);
    if (known?.process === memory.process)
      known.lines = [...known.lines.filter(({ closedWhy }) => closedWhy === null), line];
  }

  /** What a peer says in a message it has made durable before: it must never forget it. */
  heard(node: NodeName, incarnation: Incarnation, message: Message): void {
    const known = this.#known.get(node);
    if (known?.incarnation !== incarnation) return;
    const told = promisedIn(message);
    if (compareBallots(told, known.promised) > 0) known.promised = told;
    if (message.kind === 'accepted') known.slot = Math.max(known.slot, message.slot);
  }
}

function promisedIn(message: Message): Ballot {
  switch (message.kind) {
    case 'prepare': // its own promise was durable before
    case 'promise':
    case 'accepted':
    case 'heartbeat':
      return message.ballot;
    default:
      return NO_BALLOT;
  }
}
