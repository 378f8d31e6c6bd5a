/** Loaded before a worker (`node --import`): plants the bug that `NURSERY_PLANT` names into the code under test. */
import { register } from 'node:module';
import { BUGS } from './bugs.ts';

const name = process.env['NURSERY_PLANT'];
const bug = BUGS.find((each) => each.name === name);
if (bug === undefined) throw new Error(`no planted bug is called ${name}`);
register('./loader.js', { parentURL: import.meta.url, data: bug.replacements });
