/** What may happen in each exploration: a few disasters at a time, so that every order of steps can be looked at. */
import type { Rule } from './rules.ts';
import type { Budget } from './state.ts';

export type Scenario = {
  readonly name: string;
  readonly budget: Partial<Budget>;
  /** In a long run. */
  readonly more?: Partial<Budget>;
  /** Rules without which it breaks a promise. */
  readonly needs: readonly Rule[];
};

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'an abort, with two coordinators',
    budget: { moves: 1, writes: 1, claims: 1, aborts: 1 },
    needs: ['sealBinds'],
  },
  {
    name: 'a survivor, perhaps one that lags, while the key moves',
    budget: { moves: 1, writes: 1, images: 1, burns: 1, promotions: 1 },
    more: { moves: 2, aborts: 1 },
    needs: ['unconfirmed', 'evidence', 'settledFirst', 'newEpoch'],
  },
  {
    name: 'an old home comes back beside a survivor',
    budget: { moves: 1, writes: 1, burns: 1, backs: 1, promotions: 1 },
    more: { claims: 1 },
    needs: ['inForce', 'newFounding'],
  },
  {
    name: 'an image, from before the key moved or after it',
    budget: { moves: 2, writes: 1, images: 1, burns: 1, restores: 1, losses: 1 },
    needs: ['epochOfTheMap', 'unconfirmed'],
  },
  {
    name: 'a cluster is lost, and what it had is brought to the other one',
    budget: { moves: 1, writes: 1, claims: 1, burns: 1, losses: 1, copies: 1, backs: 1 },
    needs: ['inForce', 'newEpoch', 'silence'],
  },
  {
    name: 'both clusters burn, one after the other',
    budget: { moves: 1, writes: 1, burns: 2, losses: 1, promotions: 2 },
    more: { aborts: 1 },
    needs: ['evidence'],
  },
  {
    name: 'messages of before come to a survivor',
    budget: { moves: 1, burns: 1, promotions: 1 },
    needs: ['addressee'],
  },
  {
    name: 'the keeper burns, and two people tell a new one',
    budget: { moves: 1, keepers: 1, images: 1, rebuilders: 2 },
    more: { claims: 1 },
    needs: ['ownKeeper', 'answered', 'keeperForgets'],
  },
  {
    name: 'a new keeper plans moves, too',
    budget: { moves: 2, keepers: 1, rebuilders: 1 },
    needs: ['leap', 'oneMap'],
  },
  {
    name: 'the keeper burns, and a cluster',
    budget: { moves: 1, writes: 1, keepers: 1, rebuilders: 1, burns: 1, promotions: 1 },
    needs: ['unconfirmed'],
  },
  {
    name: 'the keeper burns, and a cluster of which there is an image',
    budget: { moves: 1, keepers: 1, rebuilders: 1, images: 1, burns: 1, restores: 1, losses: 1 },
    needs: ['unconfirmed'],
  },
  {
    name: 'a false word: a cluster that was said to be lost runs on, and the keeper burns',
    budget: { moves: 1, writes: 1, cuts: 1, losses: 1, keepers: 1, rebuilders: 1 },
    needs: ['twoOwners', 'yieldsFirst'],
  },
];
