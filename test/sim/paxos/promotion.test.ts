/** Every clause of what a rescue by promotion does. */
import { test } from 'uvu';
import { PROMOTION_RULES } from './promotion.ts';

for (const { clause, run } of PROMOTION_RULES) test(clause, run);

test.run();
