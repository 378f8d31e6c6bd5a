/** A node's part in the comparison of stores: the real scrubber, and what node/life/lives.ts does about its verdict. */

import type { Scheduler } from '../../../node/driver/scheduler.ts';
import type { NodeName } from '../../../node/paxos/values.ts';
import { decodeFinding, encodeFinding, type Finding } from '../../../node/scrub/findings.ts';
import { Scrubber } from '../../../node/scrub/scrubber.ts';
import type { NodeProcess } from './node-process.ts';
import type { Nursery } from './nursery.ts';

/** Between the end of the store and its beginning (ms). */
const REST_MS = 500;

/** The scrubber of a node whose driver and store are there. */
export function createScrubber(nursery: Nursery, node: NodeProcess, scheduler: Scheduler): Scrubber {
  const { driver, store } = node;
  return new Scrubber({
    node: node.name,
    driver,
    store,
    scheduler,
    logger: nursery.logger(node.name),
    stepMs: nursery.plan.scrubStepMs,
    restMs: REST_MS,
    nowMs: node.nowMs,
    after: (delayMs, run) => node.local(delayMs, run),
    tell: (finding, to) => tell(nursery, node, finding, to),
    differs: () => rebuild(nursery, node),
  });
}

/** As easily lost as a message. */
function tell(nursery: Nursery, node: NodeProcess, finding: Finding, to: NodeName | null): void {
  const body = encodeFinding(finding);
  for (const name of nursery.namesOf(node.cluster)) {
    if (name === node.name || (to !== null && to !== name)) continue;
    nursery.network.carry(node.name, name, () => {
      nursery.nodeAt(name)?.compare(node.name, node.founding, node.incarnation, decodeFinding(body));
    });
  }
}

/** Serves no more, hands over mastership, and begins anew with an empty store. */
function rebuild(nursery: Nursery, node: NodeProcess): void {
  nursery.note('its store differs from those of a majority', node.name);
  nursery.rare.note('damaged store found');
  node.driver.quarantine();
  node.local(nursery.random.next() * nursery.plan.leaseMs, () => {
    const machine = nursery.machine(node.name);
    nursery.crashNode(machine);
    machine.hardware.removeStore();
    nursery.startNode(machine);
  });
}
