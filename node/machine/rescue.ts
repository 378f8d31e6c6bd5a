/** What becomes of a cluster's state when a rescue gives it a new founding (docs/architecture.md, "Rescue"). */
import type { SystemState } from './system-state.ts';

/** Of a survivor that begins the founding `founding` with what it holds. */
export function promotedState(state: SystemState, founding: string): SystemState {
  const { bound } = state;
  return bound === null ? state : { ...state, bound: { ...bound, mine: founding } };
}
