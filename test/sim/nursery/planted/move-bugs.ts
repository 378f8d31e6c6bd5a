/** Planted bugs of moves and of the router. Rules marked (!) are those that an obvious implementation breaks. */
import { BUSY, bug, bugOf, HARSH, late, moveBug, type PlantedBug, ruleBug } from './bug.ts';

const KEEPER_OF_AUTO = 'node/machine/auto.js#notTaken';

export const MOVE_BUGS: readonly PlantedBug[] = [
  bug(
    'deletes do not make a row dirty',
    'every change of a row of an exported range is entered in its books (!)',
    'node/machine/export.js#settle',
    'if (!sameRow(before, after)) {',
    'if (after !== null && !sameRow(before, after)) {',
  ),
  bug(
    'page accepted out of order',
    'a page is taken when it is the next one',
    'node/machine/import.js#page',
    'if (seq !== record.seq + 1)',
    'if (false)',
    { changes: BUSY, seedsMax: 60 },
  ),
  bug(
    'old coordinator not fenced',
    'a command with an older token has no effect',
    'node/machine/headers.js#checkHeader',
    'if (token < seen)',
    'if (false)',
    { changes: { ...BUSY, weather: late() }, seedsMax: 60 },
  ),
  bug(
    'decided migration decided again',
    'what was decided first stands for ever',
    'node/machine/headers.js#checkHeader',
    "return outcome === undefined ? null : { kind: 'closed', outcome };",
    'return null;',
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'unseal before abandon',
    "the source unseals only after the target's abandoned (!)",
    'migrator/core/next-move.js#whileActive',
    "return now.isSealed || now.sourceSilent ? { kind: 'abandon' } : { kind: 'cancel' };",
    "return now.isSealed ? { kind: 'unseal' } : { kind: 'cancel' };",
    { changes: BUSY, seedsMax: 40 },
  ),
  {
    ...moveBug(
      'a merge across an export',
      'a merge lies across no move (!)',
      'node/machine/planning.js#planned',
      'if (isOpen(other) && overlaps(other, range)) {',
      'if (merges === undefined && isOpen(other) && overlaps(other, range)) {',
    ),
    replacements: [
      {
        file: 'node/machine/planning.js#planned',
        from: 'if (isOpen(other) && overlaps(other, range)) {',
        to: 'if (merges === undefined && isOpen(other) && overlaps(other, range)) {',
      },
      {
        file: 'node/machine/merge.js#mergeInTheWay',
        from: 'const why = exportInTheWay(draft, range);',
        to: 'const why = null;',
      },
    ],
  },
  ruleBug(
    'a plan of an old map',
    'what nobody has asked for is taken for the map that it was planned for (!)',
    [{ file: KEEPER_OF_AUTO, from: 'if (planned.mapVersion !== map.version)', to: 'if (false)' }],
  ),
  ruleBug(
    'a plan under another wish',
    'what nobody has asked for is taken under the wish that it was planned for',
    [{ file: KEEPER_OF_AUTO, from: 'if (planned.wish !== auto.number)', to: 'if (false)' }],
  ),
  ruleBug(
    'two planners add up',
    'of what nobody has asked for each cluster takes part in one move at a time (!)',
    [{ file: KEEPER_OF_AUTO, from: 'return other === undefined', to: 'return true' }],
  ),
  ruleBug(
    'each planner has its own bound',
    'moves that nobody has asked for are bounded, whoever planned them',
    [{ file: KEEPER_OF_AUTO, from: '>= auto.movesMax)', to: '>= 99)' }],
  ),
  ruleBug('what has just moved moves again', 'what has moved stays where it is for the cool-down', [
    {
      file: 'migrator/core/auto.js#isCooling',
      from: 'return !isMerge(record) && ',
      to: 'return false && ',
    },
  ]),
  ruleBug(
    'an owner merges across an export',
    'the log of the owner decides whether a merge lies across a move (!)',
    [
      {
        file: 'node/machine/merge.js#mergeInTheWay',
        from: 'const why = exportInTheWay(draft, range);',
        to: 'const why = null;',
      },
    ],
  ),
  moveBug(
    'an old epoch that wins',
    'the epoch of what was merged is the mid of the merge (!)',
    'node/machine/merge.js#merge',
    'epoch: mid,',
    'epoch: draft.state.owned[0].epoch,',
  ),
  moveBug(
    'a merge that the owner does not know of',
    'a merge is published once the owner has merged',
    'migrator/core/next-move.js#nextOfMerge',
    "{ kind: 'merge' }",
    "{ kind: 'publish' }",
  ),
  ruleBug('a merge is aborted behind its back', 'a merge is aborted once its owner can merge no more', [
    {
      file: 'migrator/core/next-move.js#nextOfMerge',
      from: "return { kind: 'cancel' };",
      to: "return { kind: 'recordAbort' };",
    },
  ]),
  moveBug(
    'a sealed range is cancelled',
    'from the seal on the target decides, and the source cancels nothing (!)',
    'node/machine/export.js#cancel',
    'if (record !== undefined && record.seal !== null) {',
    'if (false) {',
  ),
  moveBug(
    'aborted as told, though the target was silent',
    'a target that was not asked is told of the abort later',
    'migrator/core/commands.js#commandFor',
    "const told = facts.target?.closed === 'abandoned' || merges !== undefined;",
    'const told = true;',
  ),
  bugOf(
    'activate without check',
    'activation compares the digests, and needs the last rows',
    [
      {
        file: 'node/machine/import.js#activate',
        from: 'if (!isComplete || !sameDigest(running, digest))',
        to: 'if (false)',
      },
      {
        file: 'migrator/core/next-move.js#whileActive',
        from: "return now.lastRowsSent ? { kind: 'activate' } : { kind: 'lastRows' };",
        to: "return { kind: 'activate' };",
      },
    ],
    {
      seedsMax: 20,
    },
  ),
  bug(
    'import over rows of an earlier move',
    'a staging begins where no row at all lies (!)',
    'node/machine/import.js#beginImport',
    'const why = inTheWay(draft, range) ?? (',
    'const why = null ?? (false) ? null : (false && ',
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'trim drops what changed again',
    'a trim drops entries up to the slot of its page alone (!)',
    'node/machine/dirty.js#trimDirty',
    'if (entry.slot > upTo || ',
    'if (',
    { changes: { ...BUSY, thinkMs: 60 }, seedsMax: 60 },
  ),
  bug(
    'export begun again forgets its books',
    'beginExport leaves dirty, delta and beginSlot of an export untouched (!)',
    'node/machine/export.js#beginExport',
    'return sameAsRecord(existing, command) ?? exportingAs(draft, existing);',
    "draft.update({ exports: withEntry(state.exports, mid, { ...existing, delta: NO_ROWS }) });\n        return { kind: 'exporting', ...exportStatus(existing) };",
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'release before publish',
    'the source releases after the map names the target',
    'migrator/core/next-move.js#whileActive',
    ": { kind: 'publish' };",
    ": source?.closed === 'released' ? { kind: 'publish' } : { kind: 'release' };",
  ),
  bug(
    'published without evidence',
    'the keeper publishes what is active alone',
    'migrator/core/next-move.js#whileActive',
    "return now.checked ? { kind: 'seal' } : { kind: 'check' };",
    "return { kind: 'publish' };",
  ),
  bug(
    'possibly applied update sent again',
    'a request that may have been executed is never silently sent again',
    'router/core/step.js#onTaskLost',
    'if (task.isUpdate && sent) {',
    'if (false) {',
    { changes: { ...HARSH, faults: ['crashNode', 'resetLinks', 'isolate'] } },
  ),
  bug(
    'abandon needs an import',
    'abandon is an outcome also where no import exists (!)',
    'node/machine/import.js#abandon',
    "    return close(draft, mid, 'abandoned');",
    "    return record === undefined ? NONE : close(draft, mid, 'abandoned');",
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'unseal needs an export',
    'unseal is an outcome also where no export exists (!)',
    'node/machine/export.js#unseal',
    "    return close(draft, header.mid, 'unsealed');",
    "    return record === undefined ? NONE : close(draft, header.mid, 'unsealed');",
    { changes: BUSY, seedsMax: 40 },
  ),
  bugOf(
    'last rows from an image before the seal',
    'after the seal rows are read at its slot or later (!)',
    [
      {
        file: 'migrator/core/moves.js#beginPass',
        from: 'exporting.sealed?.sealSlot ?? exporting.beginSlot',
        to: 'exporting.beginSlot',
      },
      {
        file: 'migrator/core/moves.js#readOn',
        from: "pipe.kind === 'lastRows' ? 'master' : 'any'",
        to: "'any'",
      },
    ],
    { changes: { ...BUSY, weather: late() }, seedsMax: 40 },
  ),
  bug(
    'trim before the target has the rows',
    'rows are trimmed after the target has them (!)',
    'migrator/core/pipe.js#sendPage',
    'pipe.sent.push(page);',
    "{ pipe.sent.push(page); if (pipe.kind === 'round') pipe.trims.push({ from: page.from, to: page.to, slot: page.asOf }); }",
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'base and changes of two images',
    'the base is the digest of an image without the changes of that very image (!)',
    'node/machine/queries.js#scanBase',
    'subtractDigests(digest, record.delta)',
    'digest',
    { changes: BUSY, seedsMax: 20 },
  ),
  bug(
    'published though it went back',
    'only an active migration is published, whoever owns the range now (!)',
    'node/machine/keeper.js#publish',
    "    if (record.phase === 'published' || record.phase === 'done')\n        return OK;\n    if (record.phase !== 'active')",
    '    if (false)',
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'updates of a connection overtake each other',
    'requests of one connection to one cluster take effect in their order',
    'router/core/lanes.js#enterLane',
    'router.queuedBytes += task.body.length;\n    lane.waiting.push(task);',
    'lane.active += 1;\n    router.todo.push(task);',
    {
      changes: { ...HARSH, faults: ['dropMaster', 'crashNode', 'resetLinks'], pipeline: 2, burst: 0.15 },
      seedsMax: 40,
    },
  ),
  bugOf(
    'older image at the target',
    'no page is read from an image older than that of the page before, or than the export (!)',
    [
      { file: 'node/machine/import.js#page', from: 'if (asOf < record.asOf)', to: 'if (false)' },
      { file: 'migrator/core/pipe.js#takeRows', from: 'asOf < pipe.minSlot || ', to: '' },
      {
        file: 'migrator/core/moves.js#beginPass',
        from: 'const minSlot = Math.max(importing.asOf, exporting.sealed?.sealSlot ?? exporting.beginSlot);',
        to: 'const minSlot = 0;',
      },
      {
        file: 'migrator/core/moves.js#readOn',
        from: 'const { minSlot } = pipe;',
        to: 'const minSlot = 0;',
      },
      {
        file: 'migrator/core/moves.js#readOn',
        from: "pipe.kind === 'lastRows' ? 'master' : 'any'",
        to: "'any'",
      },
    ],
    {
      changes: {
        ...BUSY,
        faults: ['pauseNode', 'isolate', 'slowDisk', 'crashNode'],
        thinkMs: 60,
        weather: late(),
      },
      seedsMax: 60,
    },
  ),
  bug(
    'clean-up goes on after its end',
    'a step of a clean-up does nothing unless there is one when it is applied (!)',
    'node/machine/cleanup.js#cleanupStep',
    "    const cleanup = draft.state.cleanups.get(mid);\n    if (cleanup === undefined)\n        return { kind: 'none' };",
    "    const cleanup = draft.state.cleanups.get(mid) ?? globalThis.cleanedUp?.get(mid);\n    if (cleanup === undefined)\n        return { kind: 'none' };\n    (globalThis.cleanedUp ??= new Map()).set(mid, cleanup);",
    { changes: { ...BUSY, moveEveryMs: 500, weather: late() }, seedsMax: 40 },
  ),
  bug(
    'clean-up goes on where a scan ended',
    'replaying gives every replica the same state (I14)',
    'node/machine/cleanup.js#cleanupStep',
    'const rest = left > 0 || last === null ? null : rangeOf({ lo: successor(userKey(last)), hi: cleanup.hi });',
    'const rest = next === null ? null : { ...cleanup, lo: userKey(next) };',
    { changes: { moveEveryMs: 1000 } },
  ),
  ruleBug('tokens compared across migrations', 'tokens are compared per migration, never across them (!)', [
    {
      file: 'node/machine/headers.js#checkHeader',
      from: 'const seen = tokens.get(mid) ?? 0;',
      to: 'const seen = Math.max(0, ...tokens.values());',
    },
  ]),
  ruleBug('copied page taken from anywhere', 'a copied page begins at the cursor (!)', [
    {
      file: 'node/machine/import.js#page',
      from: 'if (command.page === PAGE_COPY && command.from !== record.cursor)',
      to: 'if (false)',
    },
  ]),
  ruleBug('late claim fences its coordinator', 'a claim is a compare-and-set: a late one fences nobody (!)', [
    { file: 'node/machine/keeper.js#claim', from: 'if (record.token !== tokenSeen)', to: 'if (false)' },
  ]),
  ruleBug('tentative hint stored', 'a tentative hint is tried, never stored (!)', [
    {
      file: 'router/core/moving.js#onRangeError',
      from: 'if (hint?.confirmed === true)',
      to: 'if (hint !== null)',
    },
  ]),
  ruleBug(
    'staging below the floor forgotten',
    'what was staged for a migration below the floor goes to clean-up (!)',
    [{ file: 'node/machine/headers.js#raiseFloor', from: 'if (mid < floor)', to: 'if (false)' }],
  ),
  ruleBug(
    'staging below the floor kept',
    'what was staged for a migration below the floor goes to clean-up (!)',
    [{ file: 'node/machine/headers.js#raiseFloor', from: 'imports: withoutBelow(imports, floor),', to: '' }],
  ),
  ruleBug('what was given up is waited for', 'what was given up is claimed at once', [
    { file: 'migrator/core/beat.js#claimAfterMs', from: 'if (noted.stage === GIVEN_UP)', to: 'if (false)' },
  ]),
  ruleBug('a rate forgotten at take-over', 'the rate of a copy outlives its migrator', [
    {
      file: 'node/machine/keeper.js#claim',
      from: 'return claimed(draft, { ...record, token: record.token + 1, heartbeat: record.heartbeat + 1 });',
      to: 'const { asked, ...rest } = record; return claimed(draft, { ...(record.token === 0 ? record : rest), token: record.token + 1, heartbeat: record.heartbeat + 1 });',
    },
  ]),
  ruleBug('a rate kept by whoever was told', 'the rate of a copy outlives its migrator', [
    {
      file: 'migrator/core/throttle.js#rateOf',
      from: 'record.asked?.rate ?? settings.bytesPerSecondMax',
      to: '(record.token === 1 ? record.asked?.rate : null) ?? settings.bytesPerSecondMax',
    },
  ]),
  ruleBug('a copy never gives way', 'a copy without a rate gives way to requests that wait', [
    {
      file: 'migrator/core/courtesy.js#heard',
      from: 'waitedMs <= boundMs(courtesy, party, settings)',
      to: 'true',
    },
  ]),
  ruleBug('a copy gives way for ever', 'a copy that gives way ends', [
    {
      file: 'migrator/core/courtesy.js#heard',
      from: 'Math.max(settings.courteousBytesMin, Math.floor(from / 2))',
      to: 'Math.floor(from / 2)',
    },
  ]),
  ruleBug('room is taken for granted', 'room is looked for each time that an import is to begin', [
    { file: 'migrator/core/moves.js#findsRoom', from: "room === 'there'", to: 'true' },
  ]),
  ruleBug('room of before is room of now', 'room is looked for each time that an import is to begin', [
    { file: 'migrator/core/answers.js#onBusy', from: "state.room = 'unasked';", to: '' },
  ]),
  ruleBug('what moved since is taken back', 'what has moved since is not taken back', [
    {
      file: 'node/machine/planning.js#undoWhy',
      from: 'epoch === undone',
      to: 'true',
    },
  ]),
  ruleBug('who leaves goes on', 'what was given up is claimed at once', [
    { file: 'migrator/core/ends.js#isLeaving', from: 'leaveAtMs !== null &&', to: 'false &&' },
  ]),
  ruleBug('slots of clusters compared', 'slots of different clusters are never compared (!)', [
    {
      file: 'router/core/classify.js#consistent',
      from: "if (consistency.kind !== 'atLeast')",
      to: 'if (true)',
    },
  ]),
];
