/** Clauses of moving a range, and of rescues, that schedules written by hand look at; that each is needed is shown by planted bugs. */
import { test } from 'uvu';
import { AUTO_RULES } from './auto-rules.ts';
import { RESCUE_RULES } from './rescue-rules.ts';
import { MIGRATION_RULES } from './rules.ts';

for (const { clause, run } of [...MIGRATION_RULES, ...RESCUE_RULES, ...AUTO_RULES]) test(clause, run);

test.run();
