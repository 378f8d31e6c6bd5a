/** The coordinator as texts: test/golden/traces/migration, written anew by `TRACES=write` (test/support/traces.ts). */
import { test } from 'uvu';
import { testTraces } from '../../support/traces.ts';
import { createStage } from './stage.ts';

testTraces('migration', createStage);

test.run();
