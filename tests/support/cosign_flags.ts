import packed from "../vectors/flags.json";

/** A flag of cosign in its four generations. */
export interface CosignFlag {
  readonly name: string;
  readonly short?: string;
  /** pflag's name: `String`, `Bool`, `StringSlice`, `StringArray`, `Duration`, `Int`, …, or `custom`. */
  readonly type: string;
  /** The default as the source has it; where generations differ it says so. */
  readonly initial?: string;
  readonly required?: boolean;
  /** A letter each for 1.4, 1.13, 2.6 and 3.1: `y`es, `D`eprecated, `H`idden, `-` for no. */
  readonly presence: string;
  /** What 3.1 says when it is given. */
  readonly deprecated?: string;
}

/** A command of cosign. */
export interface CosignCommand {
  /** Its words; empty for the flags of all. */
  readonly command: string;
  readonly flags: readonly CosignFlag[];
}

/** Every command of cosign that has flags, with the flags of its groups. */
export const COSIGN_COMMANDS: readonly CosignCommand[] = packed;
