/** What whole nurseries once found, again and again; and who is who. */
import { test } from 'uvu';
import { NURSERY_HISTORIES } from './histories.ts';
import { IDENTITY_RULES } from './identity-rules.ts';

for (const { clause, run } of [...NURSERY_HISTORIES, ...IDENTITY_RULES]) test(clause, run);

test.run();
