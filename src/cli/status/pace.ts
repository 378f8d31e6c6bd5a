/** How fast a move is copied at most, and why, in words. */
import type { Migration } from '../../protocol/admin/admin.ts';
import { type GivesWay, isMerge } from '../../protocol/admin/migration.ts';
import { printBytes } from './amounts.ts';

/** Of a copy that nobody has asked a rate. */
export function printGivesWay({ rate, waitedMs, cluster }: GivesWay): string {
  return `at most ${printBytes(rate)}/s: it gave way to requests, which waited ${waitedMs} ms at ${cluster}, and rises slowly`;
}

/** Of a move that is on, as its record says; '' where there is nothing to say. */
export function paceOf(migration: Migration): string {
  const { phase, asked, progress } = migration;
  if (phase !== 'active' || isMerge(migration)) return '';
  const rate = asked?.rate ?? null;
  if (rate !== null) return `at most ${rate} bytes/s, as was asked for`;
  if (progress.stage !== 'copying') return '';
  return progress.givesWay === undefined ? 'as fast as it can' : printGivesWay(progress.givesWay);
}
