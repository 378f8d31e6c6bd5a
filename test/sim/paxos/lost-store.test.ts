/** Every clause of what a node may do whose store is lost behind its log; that each is needed is shown by planted bugs. */
import { test } from 'uvu';
import { LOST_STORE_RULES } from './lost-store.ts';

for (const { clause, run } of LOST_STORE_RULES) test(clause, run);

test.run();
