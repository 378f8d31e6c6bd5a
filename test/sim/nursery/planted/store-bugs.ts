/** Planted bugs of the store: each trap that runs above rows bring with them. */
import type { PlantedBug } from './bug.ts';

/** Histories of one store are short. */
const SEEDS_MAX = 40;

function storeBug(name: string, rule: string, place: string, from: string, to: string): PlantedBug {
  const [file, ...within] = place.split('#');
  const path = [`node/store/${file}.js`, ...within].join('#');
  return {
    name: `store: ${name}`,
    rule,
    replacements: [{ file: path, from, to }],
    plan: { simulation: 'store' },
    seedsMax: SEEDS_MAX,
  };
}

export const STORE_BUGS: readonly PlantedBug[] = [
  storeBug(
    'few rows written below a run',
    'rows go to where they belong only while no run lies above them',
    'lmdb-store##isRun',
    'if (this.#runs.all.length > 0)',
    'if (false)',
  ),
  storeBug(
    'the oldest value wins a merge',
    'of several runs the newest says what a row is',
    'merger#first',
    'source.row.key < least.row.key',
    'source.row.key <= least.row.key',
  ),
  storeBug(
    'a run that came during a merge is taken for merged',
    'a merge is of the runs that there were when it began',
    'merger#step',
    'const slots = new Set(this.#merge.slots);',
    'const slots = new Set(this.#stock.runs.map(({ slot }) => slot));',
  ),
  storeBug(
    'a merge goes on from a mark that was not written',
    'how far a merge has come is what the disk says, also after a slice that failed',
    'merger#step',
    'const merge = this.#merge;',
    "const merge = { ...this.#merge };\n        this.#merge = { ...this.#merge, next: merge.next + '\\xff' };",
  ),
  storeBug(
    'a removal is not merged',
    'a row that a run removes is gone when the run is merged',
    'merger',
    'void this.#environment.remove(key);',
    '{ }',
  ),
  storeBug(
    'a removal is not written into a run',
    'a run that removes a row hides what lies below',
    'run-writer',
    'void table.put(key, toRunValue(value));',
    'if (value !== null) void table.put(key, toRunValue(value));',
  ),
  storeBug(
    'a value is taken for a removal',
    'a value that looks like a removal is a value',
    'runs#toRunValue',
    'if (value[0] !== REMOVED)',
    'if (true)',
  ),
  storeBug(
    'the slot is not written with its run',
    'rows and slot change together',
    'run-writer',
    'void this.#environment.put(META.SLOT, Buffer.from(encodeSlot(slot)));',
    '',
  ),
  storeBug(
    'the newest run stands last on the disk',
    'the list of runs is in their order',
    'run-stock',
    'putRuns(this.#environment, [note, ...this.#runs]);',
    'putRuns(this.#environment, [...this.#runs, note]);',
  ),
  storeBug(
    'the filter has the keys of the last transaction alone',
    'a filter has every key of its run',
    'run-writer',
    'this.#commits += 1;',
    'this.#commits += 1; if (this.#hashes.length > 3) this.#hashes = this.#hashes.slice(-3);',
  ),
  storeBug(
    'tables are emptied before readers know',
    'the table of a merged run is emptied when no reader has it in its list any more',
    'run-stock#removed',
    'this.#retired.push({ version: this.#version, tables });',
    'this.#waste.push(...tables);',
  ),
  storeBug(
    'what a death left in a table is part of the next run',
    'a table that holds rows of no run is emptied before it is used',
    'run-stock#constructor',
    'if (entriesOf(table) === 0)',
    'if (true)',
  ),
  storeBug(
    'the image of before is read beside the new list of runs',
    'rows and runs that are read are of one image',
    'lmdb-store',
    'this.#environment.resetReadTxn();',
    '',
  ),
  storeBug(
    'a snapshot reads the runs of the newest image',
    'an image that is kept has its runs, whatever becomes of them',
    'lmdb-store',
    'runs: this.#runs.within(transaction), transaction',
    'runs: this.#runs, transaction',
  ),
  storeBug(
    'merging goes on beside readers',
    'a merge rests while an older image is read, as long as runs are few',
    'merger#waitMs',
    '(this.#isPinned && !this.#isUrgent)',
    'false',
  ),
  storeBug(
    'a run that waits for the merge is forgotten',
    'what waits for room goes on when there is some',
    'write-work',
    'this.#restsUntilMs = nowMs + (nowMs - beganMs) * restPart(this.#policy, this.#stock.runs.length);\n            this.#commitRun();',
    'this.#restsUntilMs = nowMs + (nowMs - beganMs) * restPart(this.#policy, this.#stock.runs.length);',
  ),
  storeBug(
    'the pace of a merge that has ended is kept to',
    'applying is not held back where runs are few',
    'lmdb-store',
    'this.paced(1);',
    '{ }',
  ),
  storeBug(
    'counts of a transaction that failed are kept',
    'what is counted is what the rows are',
    'write-work##undo',
    'this.#counting.undone();',
    '',
  ),
  storeBug(
    'more is flushed than the log has',
    'nothing is in the store before it is durable in the log',
    'lmdb-store##flush',
    'this.#overlay.hold(durableSlot)',
    'this.#overlay.hold(Number.MAX_SAFE_INTEGER)',
  ),
];
