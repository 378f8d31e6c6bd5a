/** The engine that runs functions in every node of a simulation: the real one. */
import { FunctionEngine } from '../../../node/functions/engine.ts';

export const FUNCTIONS = await FunctionEngine.start();
