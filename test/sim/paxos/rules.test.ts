/** Every clause of the rule by which an emptied home votes again; that each is needed is shown by planted bugs. */
import { test } from 'uvu';
import { RULES } from './rules.ts';

for (const { clause, run } of RULES) test(clause, run);

test.run();
