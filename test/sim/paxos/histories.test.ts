/** What once went wrong, again and again. */
import { test } from 'uvu';
import { HISTORIES } from './histories.ts';

for (const { clause, run } of HISTORIES) test(clause, run);

test.run();
