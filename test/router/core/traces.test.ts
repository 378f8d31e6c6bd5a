/** The router's core as texts: test/golden/traces/router, written anew by `TRACES=write` (test/support/traces.ts). */
import { test } from 'uvu';
import { testTraces } from '../../support/traces.ts';
import { createStage } from './stage.ts';

testTraces('router', createStage);

test.run();
