/** The simulator sees bugs: each of these, planted at its seams, breaks a run within the stated number of seeds. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvariantError } from '../../../src/base/assert.ts';
import { Violation } from '../base/violation.ts';
import { NO_BUGS, PLANTED, type Planted } from './bugs.ts';
import { runSeed } from './cluster.ts';
import { NAMES, type Plan } from './plan.ts';

/** The first seed that breaks; null where none does. */
function firstCaught({ bugs, faults, nodes, within }: Planted): number | null {
  const focus = (plan: Plan): Plan => ({
    ...plan,
    wished: NAMES.slice(0, nodes),
    faults,
    faultEveryMs: Math.min(plan.faultEveryMs, plan.leaseMs * 3),
    forcedMaster: null,
    preferredMasters: [],
  });
  for (let seed = 1; seed <= within; seed += 1) {
    try {
      runSeed({
        seed,
        bugs: { ...NO_BUGS, ...bugs },
        plan: (plan) => (faults.length === 0 ? plan : focus(plan)),
      });
    } catch (error) {
      if (!(error instanceof InvariantError) && !(error instanceof Violation)) throw error;
      return seed;
    }
  }
  return null;
}

for (const planted of PLANTED) {
  test(`caught: ${planted.name}`, () => {
    assert.is.not(firstCaught(planted), null, `caught within ${planted.within} seeds`);
  });
}

test.run();
