/** For machines of tests that call no functions. */
import type { FunctionRunner } from '../../node/machine/function-call.ts';

export const NO_RUNNER: FunctionRunner = {
  engine: 'none',
  require: (engine) => {
    throw new Error(`nothing runs functions here, and engine ${engine} is asked for`);
  },
  prepare: () => undefined,
  whyNot: () => 'nothing runs functions here',
  call: () => {
    throw new Error('nothing runs functions here');
  },
};
