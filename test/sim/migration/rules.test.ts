/** Clauses of moving a range that schedules written by hand look at; that each is needed is shown by planted bugs. */
import { test } from 'uvu';
import { MIGRATION_RULES } from './rules.ts';

for (const { clause, run } of MIGRATION_RULES) test(clause, run);

test.run();
