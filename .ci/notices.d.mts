/** A component of the binary, and what its licence demands to be told: see `notices.mjs`. */
export interface Component {
  readonly name: string;
  readonly license: string;
  readonly text: string;
}
/** The npm packages that are in the binary. */
export declare function npmComponents(): readonly Component[];
/** Writes `dist/THIRD_PARTY_NOTICES`. */
export declare function writeNotices(hasPolicies: boolean): string;
