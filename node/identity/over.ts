/** That a founding is over, for ever, as the keeper that its cluster is bound to has said. */
import { FatalError } from '../../src/base/errors.ts';

/** Why a node stops whose founding is over; its home is of no use to anybody but who reads what it alone may hold. */
export class OverForEver extends FatalError {
  readonly founding: string;
  /** What the keeper said: how it ended, and what is in its place. */
  readonly why: string;

  /**
   * @param founding which it is
   * @param why what the keeper said
   * @param home absolute path, for people
   */
  constructor(founding: string, why: string, home: string) {
    super(
      'OTHER_CLUSTER',
      `${why}. This home, ${home}, is of the founding that is over: keep a copy where what it alone may hold is still wanted, empty it, and start this node again`,
    );
    this.founding = founding;
    this.why = why;
  }
}
