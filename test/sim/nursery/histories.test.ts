/** What whole nurseries once found, again and again. */
import { test } from 'uvu';
import { NURSERY_HISTORIES } from './histories.ts';

for (const { clause, run } of NURSERY_HISTORIES) test(clause, run);

test.run();
