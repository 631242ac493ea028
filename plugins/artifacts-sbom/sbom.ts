/** The formats of SBOMs, and how each may be written. */
export type SbomFormat = "spdx" | "cyclonedx" | "syft";

/** What is known of an SBOM, whatever it is written in. */
export interface Sbom {
  readonly format: SbomFormat;
  readonly specVersion: string;
  /** What it is about, or what it is called. */
  readonly name?: string;
  readonly components: number;
}
