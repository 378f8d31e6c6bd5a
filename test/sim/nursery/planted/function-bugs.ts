/** Planted bugs of functions of users: what makes replicas, clusters or calls differ. */
import { BUSY, bug, bugOf, type PlantedBug, ruleBug } from './bug.ts';

const IMPORT = 'node/machine/import.js';
const CALL = 'node/machine/call-function.js';
const ENGINE = 'node/functions/engine.js';
const FUNCTIONS = 'node/machine/functions.js';

export const FUNCTION_BUGS: readonly PlantedBug[] = [
  bug(
    'a call sees what the last one left',
    'no state survives a call',
    `${ENGINE}#call`,
    'quickjs.restore(loaded.image);',
    '',
  ),
  bug(
    'a limit that depends on the clock',
    'every replica ends a call at the same place',
    `${ENGINE}#call`,
    'quickjs.work = CALL_WORK_MAX;',
    'quickjs.work = CALL_WORK_MAX - Math.floor((performance.now() * 1e6) % 2e4);',
    { seedsMax: 40 },
  ),
  bug(
    'writes of a failed call stay',
    'a call does all of it or nothing',
    `${CALL}#callFunction`,
    'tx.rollBack(mark);',
    ';',
  ),
  bug(
    'a function reaches rows of others',
    'a function touches keys that its cluster serves, and no others',
    `${CALL}#checked`,
    'if (!ownership.serves(key))',
    'if (false)',
    { changes: BUSY },
  ),
  bugOf(
    'functions missing at a target',
    'a range goes where every function is that clients may have called',
    [
      {
        file: `${IMPORT}#beginImport`,
        from: 'functionsInTheWay(draft.state, functions)',
        to: 'null',
      },
      {
        file: `${IMPORT}#activate`,
        from: 'functionsInTheWay(draft.state, functions)',
        to: 'null',
      },
    ],
    { changes: BUSY, seedsMax: 60 },
  ),
  bug(
    'what the keeper has removed stays',
    'a cluster drops whatever its keeper has no more',
    `${FUNCTIONS}#takeFunctions`,
    'return version < 0 ?',
    'return true ?',
    { seedsMax: 20 },
  ),
  bug(
    'a new keeper begins without functions',
    'a keeper in the place of a lost one goes on with the functions that clusters have',
    `${FUNCTIONS}#installFunctions`,
    'draft.update({',
    'Object({',
    { changes: { ...BUSY, rescues: ['keeper', 'keeper'] }, seedsMax: 20 },
  ),
  ruleBug(
    'a call without a key is final while all keys move',
    'a call without a key is refused for good only where several clusters own keys',
    [
      {
        file: `${CALL}#refusalOfPart`,
        from: 'owned.length === 0 || withSealed.firstOutside(WHOLE) === null',
        to: 'false',
      },
    ],
  ),
  bug(
    'a hook where a part is served',
    'a hook is called where one cluster serves all keys',
    'node/machine/reads.js#hook',
    'if (refusal !== null)',
    'if (false)',
    { changes: BUSY, seedsMax: 60 },
  ),
];
