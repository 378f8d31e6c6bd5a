/**
 * The same life twice: a copied home beside its original, a machine image that was started again, a file system that was rolled
 * back. A life is one process at a time, and never forgets what it has told; a peer that sees otherwise refuses it
 * (docs/architecture.md, "Identity").
 */
import type { Memory } from '../../src/link/frames.ts';
import type { Recovered } from '../paxos/contract.ts';
import type { Message } from '../paxos/messages.ts';
import {
  type Ballot,
  compareBallots,
  type Incarnation,
  NO_BALLOT,
  type NodeName,
  type Slot,
} from '../paxos/values.ts';

/** How long an older process of the same life must go on talking before it is taken for alive (ms): above a link's heartbeat. */
export const TWICE_AFTER_MS = 1500;

/** A link to a process, as far as this is concerned. */
export type Line = { readonly closedWhy: string | null; readonly heardMs: number };

/** Why somebody is not talked to: `forEver`, or until it is clear which process is alive. */
export type Doubt = { readonly forEver: boolean; readonly why: string };

/** What one process of a life has told this node: at its start, and since. */
type Told = { readonly process: string; promised: Ballot; slot: Slot; lines: Line[] };

/** One life of a peer: its processes, in the order in which they were met. */
type Known = {
  readonly incarnation: Incarnation;
  readonly processes: Told[];
  /** Since when another process than the one that is connected says that it is this life (ms). */
  doubtedMs: number | null;
};

/** Processes of a life that are told apart; what older ones told is counted to the oldest of these. */
const PROCESSES_MAX = 8;

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
    const known = this.#lifeOf(node, incarnation);
    const { processes } = known;
    const { process, slot } = memory;
    const promised = { round: memory.round, node: memory.proposer };
    const at = processes.findIndex((told) => told.process === process);
    // What it says of itself is of its start: it must remember what was told before that, by processes that came before it.
    const before = at < 0 ? processes : processes.slice(0, at);
    const forgotten = before.find((told) => compareBallots(promised, told.promised) < 0 || slot < told.slot);
    if (forgotten !== undefined) {
      const what = `slot ${forgotten.slot}, ballot ${forgotten.promised.round}`;
      const why = `${node} has forgotten a vote that it sent here (${what}): its home went back in time`;
      return { forEver: true, why };
    }
    const doubt = this.#doubtOf(node, known, process);
    if (doubt === null && at < 0) enter(processes, { process, promised, slot, lines: [] });
    return doubt;
  }

  /** A link to a process that was met is open. */
  talks(node: NodeName, { process }: Memory, line: Line): void {
    const told = this.#known.get(node)?.processes.find((each) => each.process === process);
    if (told !== undefined) told.lines = [...told.lines.filter(isOpen), line];
  }

  /** What a process says in a message that it has made durable before: its life must never forget it. */
  heard(node: NodeName, incarnation: Incarnation, process: string, message: Message): void {
    const known = this.#known.get(node);
    const told = known?.processes.find((each) => each.process === process);
    if (known?.incarnation !== incarnation || told === undefined) return;
    const promised = promisedIn(message);
    if (compareBallots(promised, told.promised) > 0) told.promised = promised;
    if (message.kind === 'accepted') told.slot = Math.max(told.slot, message.slot);
  }

  #lifeOf(node: NodeName, incarnation: Incarnation): Known {
    const known = this.#known.get(node);
    if (known?.incarnation === incarnation) return known;
    const fresh: Known = { incarnation, processes: [], doubtedMs: null };
    this.#known.set(node, fresh);
    return fresh;
  }

  /** Whether another process of this life is alive: it may have ended, and its links may not have been seen to. */
  #doubtOf(node: NodeName, known: Known, process: string): Doubt | null {
    const others = known.processes.filter((told) => told.process !== process);
    const lines = others.flatMap((told) => told.lines.filter(isOpen));
    if (lines.length === 0) {
      known.doubtedMs = null;
      return null;
    }
    known.doubtedMs ??= this.#nowMs();
    const aliveMs = known.doubtedMs + TWICE_AFTER_MS;
    return lines.some(({ heardMs }) => heardMs > aliveMs)
      ? {
          forEver: true,
          why: `${node} runs twice in one life: its home was copied, and the original is running`,
        }
      : { forEver: false, why: `another process of ${node} is connected; it is being watched` };
  }
}

function isOpen({ closedWhy }: Line): boolean {
  return closedWhy === null;
}

/** Adds the newest process of a life. */
function enter(processes: Told[], told: Told): void {
  processes.push(told);
  if (processes.length <= PROCESSES_MAX) return;
  const [gone] = processes.splice(0, 1);
  const oldest = processes[0];
  if (gone === undefined || oldest === undefined) return;
  if (compareBallots(gone.promised, oldest.promised) > 0) oldest.promised = gone.promised;
  oldest.slot = Math.max(oldest.slot, gone.slot);
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
