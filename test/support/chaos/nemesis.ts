/** Carries out a plan of faults on real processes, and mends each of them in time. */
import type { TestCluster } from '../clusters.ts';
import type { NurseryProcess } from '../processes.ts';
import { pause } from '../wait.ts';
import type { Fleet } from './fleet.ts';
import type { Member } from './member.ts';
import type { Fault, FaultKind } from './plan.ts';

/** How long a node has to say who is master (ms). */
const ASK_MS = 300;

export class Nemesis {
  /** Faults that happened; one that had nobody to hit did not. */
  readonly counts = new Map<FaultKind, number>();
  readonly #fleet: Fleet;
  readonly #mover: () => NurseryProcess | null;
  readonly #repairs = new Set<Promise<void>>();
  #heal: () => void = () => undefined;
  readonly #healing: Promise<void>;

  /** @param mover the command that is moving a range */
  constructor(fleet: Fleet, mover: () => NurseryProcess | null) {
    this.#fleet = fleet;
    this.#mover = mover;
    this.#healing = new Promise((resolve) => {
      this.#heal = resolve;
    });
  }

  /** Faults so far. */
  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Carries out the plan; `each` is called before every fault. */
  async run(faults: readonly Fault[], each: (fault: Fault) => void): Promise<void> {
    const beganMs = performance.now();
    for (const fault of faults) {
      const untilMs = beganMs + fault.atMs - performance.now();
      if (untilMs > 0) await pause(untilMs);
      each(fault);
      if (await this.#strike(fault)) this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    }
  }

  /** Mends everything at once. */
  async heal(): Promise<void> {
    this.#heal();
    await Promise.all(this.#repairs);
  }

  /** False where nobody may be hit now. */
  async #strike(fault: Fault): Promise<boolean> {
    switch (fault.kind) {
      case 'killNode':
      case 'endNode':
      case 'stopNode': {
        const node = await this.#pickNode(fault);
        if (node === null) return false;
        if (fault.kind === 'stopNode') return this.#sleep([node], fault);
        await (fault.kind === 'killNode' ? node.kill() : node.terminate());
        return this.#repair(fault, () => node.restart());
      }
      case 'killCluster':
      case 'stopCluster': {
        const nodes = pickOf(this.#soundClusters(), fault.pick)?.[1];
        if (nodes === undefined) return false;
        if (fault.kind === 'stopCluster') return this.#sleep(nodes, fault);
        await Promise.all(nodes.map((node) => node.kill()));
        for (const node of nodes) node.restart();
        return true;
      }
      case 'killRouter':
      case 'stopRouter':
        return this.#hit(this.#fleet.routers, fault, fault.kind === 'killRouter');
      case 'killMigrator':
      case 'stopMigrator':
        return this.#hitMigrator(fault);
    }
  }

  async #hit(members: readonly Member[], fault: Fault, isKilled: boolean): Promise<boolean> {
    const sound = members.filter(({ isDisturbed }) => !isDisturbed);
    const member = pickOf(sound, fault.pick);
    if (member === null) return false;
    if (!isKilled) return this.#sleep([member], fault);
    await member.kill();
    return this.#repair(fault, () => member.restart());
  }

  /** More often the command that moves than a daemon. */
  async #hitMigrator(fault: Fault): Promise<boolean> {
    const command = this.#mover();
    const isKilled = fault.kind === 'killMigrator';
    if (fault.pick < 0.3 || command === null) {
      const pick = (fault.pick * 10) % 1;
      return this.#hit(this.#fleet.daemons, { ...fault, pick }, isKilled);
    }
    if (isKilled) {
      command.signal('SIGKILL');
      return true;
    }
    command.signal('SIGSTOP');
    return this.#repair(fault, () => command.signal('SIGCONT'));
  }

  #sleep(members: readonly Member[], fault: Fault): true {
    for (const member of members) member.sleep();
    return this.#repair(fault, () => {
      for (const member of members) member.wake();
    });
  }

  #repair({ forMs }: Fault, mend: () => void): true {
    const repair = Promise.race([pause(forMs), this.#healing]).then(() => {
      mend();
      this.#repairs.delete(repair);
    });
    this.#repairs.add(repair);
    return true;
  }

  /** Clusters of which nobody is disturbed, so that a majority of each is left. */
  #soundClusters(): [TestCluster, readonly Member[]][] {
    return [...this.#fleet.nodes].filter(([, nodes]) => nodes.every(({ isDisturbed }) => !isDisturbed));
  }

  async #pickNode({ pick, onMaster }: Fault): Promise<Member | null> {
    const found = pickOf(this.#soundClusters(), pick);
    if (found === null) return null;
    const [cluster, nodes] = found;
    const node = pickOf(nodes, (pick * 100) % 1) as Member;
    if (!onMaster) return node;
    const asked = cluster.ask(node.name, (client) => client.whoMaster({ deadlineMs: ASK_MS }));
    const master = await asked.catch(() => null); // it has just started, say
    return nodes.find(({ name }) => name === master) ?? node;
  }
}

function pickOf<T>(choices: readonly T[], pick: number): T | null {
  return choices[Math.floor(pick * choices.length)] ?? null;
}
