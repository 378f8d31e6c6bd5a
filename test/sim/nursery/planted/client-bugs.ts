/** Planted bugs of what clients ask for: reads of several keys, stamps, sequences, counts, and what is sent together. */
import type { PlanChanges } from '../pool.ts';
import { bug, HARSH, type PlantedBug } from './bug.ts';

/** Connections with much on them. */
const PIPELINED: PlanChanges = {
  ...HARSH,
  faults: ['dropMaster', 'crashNode', 'resetLinks'],
  pipeline: 2,
  burst: 0.06,
};
const BULKY: PlanChanges = { ...PIPELINED, bulky: 3, faultEveryMs: 1500 };

export const CLIENT_BUGS: readonly PlantedBug[] = [
  bug(
    'paused read goes on in a later image',
    'a read of several keys is answered from one image',
    'node/serve/pausable-view.js#pin',
    'this.#snapshot = this.#store.snapshot();',
    '{}',
  ),
  bug(
    'stamp one slot early',
    'a read with a stamp shows a state of its slot or a later one',
    'node/serve/requests.js##unreadable',
    'store.slot >= consistency.slot',
    'store.slot + 1 >= consistency.slot',
  ),
  bug(
    'failure of a nested sequence ignored',
    'a nested sequence that fails fails all around it',
    'node/machine/updates.js#runSequence',
    'answer = isSimple(inner) ? runSimple(draft, inner) : yield* run(draft, inner);',
    'answer = isSimple(inner) ? runSimple(draft, inner) : (yield* run(draft, inner), OK);',
  ),
  bug(
    'assert_range overlooks other keys',
    'assert_range holds where the keys are exactly those that it names',
    'node/machine/updates.js#assertRange',
    'if (strangers > 0)',
    'if (false)',
  ),
  bug(
    'assert_range overlooks missing keys',
    'assert_range holds where the keys are exactly those that it names',
    'node/machine/updates.js#assertRange',
    'return found === wanted.size ?',
    'return found >= 0 ?',
  ),
  bug(
    'sealed keys counted',
    'a cluster counts the keys that it serves, and no others',
    'node/machine/reads.js#countKeys',
    'if (owned.sealedBy !== null)',
    'if (false)',
  ),
  bug(
    'keys of one cluster counted',
    'a count is the sum over all clusters',
    'router/core/gather.js#addCount',
    'gather.sum += decodeInt64(reply);',
    'gather.sum = decodeInt64(reply);',
  ),
  bug(
    'second run overtaken',
    'what does not fit into a run goes in the next one, in its order',
    'router/core/lanes.js#takeRun',
    'if (count + 1 >= RUN_UPDATES_MAX || bytes > RUN_BYTES_MAX)\n            break;',
    'if (count + 1 >= RUN_UPDATES_MAX || bytes > RUN_BYTES_MAX) {\n            if (count > 0)\n                waiting.splice(count, waiting.length, ...waiting.slice(count).reverse());\n            break;\n        }',
    { changes: BULKY },
  ),
  bug(
    'more than four of a run turned round',
    'updates of one connection take effect in their order, however many there are',
    'router/core/lanes.js#take',
    'const taken = lane.waiting.splice(0, count);',
    'const taken = lane.waiting.splice(0, count);\n    if (count > 3)\n        taken.reverse();',
    { changes: PIPELINED },
  ),
  bug(
    'nop needs the whole key space',
    'a nop goes to any cluster',
    'router/core/classify.js',
    'anywhere: (_, body) => update(body, ANYWHERE, NO_RANGES),',
    'anywhere: (_, body) => update(body, NO_KEYS, [WHOLE]),',
  ),
  bug(
    'second batch answered like the first',
    'each update of a second batch has an answer of its own',
    'node/driver/proposals.js#take',
    'const responds = all ? this.#responds : this.#responds.splice(0, count);',
    'const responds = all ? this.#responds.slice(-count) : this.#responds.slice(0, count);',
    { changes: BULKY },
  ),
];
