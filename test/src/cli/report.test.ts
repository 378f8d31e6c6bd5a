import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { InvariantError } from '../../../src/base/assert.ts';
import { EXIT_CODES, FatalError, NurseryError, RETURN_CODES, TRAITS } from '../../../src/base/errors.ts';
import { exitCodeOf } from '../../../src/cli/report.ts';
import { PRODUCT_VERSION } from '../../../src/version.ts';

test('every exit code stands for one thing', () => {
  const codes = Object.values(EXIT_CODES);
  assert.is(new Set(codes).size, codes.length);
});

test('what ended a process decides its exit code', () => {
  assert.is(exitCodeOf(new FatalError('PORT_IN_USE', 'x')), 60);
  assert.is(exitCodeOf(new NurseryError('FENCED', 'x')), EXIT_CODES.FENCED);
  assert.is(exitCodeOf(new NurseryError('NOT_FOUND', 'x')), EXIT_CODES.NOT_FOUND);
  assert.is(exitCodeOf(new NurseryError('NOT_MASTER', 'x')), EXIT_CODES.NO_MASTER);
  assert.is(exitCodeOf(new NurseryError('TIMEOUT', 'x')), EXIT_CODES.UNREACHABLE);
  assert.is(exitCodeOf(new NurseryError('MAYBE_APPLIED', 'x')), EXIT_CODES.MAYBE_APPLIED);
  assert.is(exitCodeOf(new NurseryError('GOING_DOWN', 'x')), EXIT_CODES.NOT_NOW);
  assert.is(exitCodeOf(new NurseryError('OUT_OF_RANGE', 'x')), EXIT_CODES.REFUSED);
  assert.is(exitCodeOf(new InvariantError('x')), EXIT_CODES.INVARIANT);
  assert.is(exitCodeOf(new TypeError('x')), EXIT_CODES.FAILED);
});

test('every return code but OK is an error that says whether the update may have happened', () => {
  for (const code of Object.keys(RETURN_CODES).filter((name) => name !== 'OK'))
    assert.ok(code in TRAITS, code);
});

test('the version is that of package.json', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.is(PRODUCT_VERSION, version);
});

test.run();
