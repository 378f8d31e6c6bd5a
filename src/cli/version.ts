/** The version of this program, for `--version` and for clients that ask. */

/** As in package.json; a test holds the two together. */
export const VERSION_TEXT = '0.1.0';
