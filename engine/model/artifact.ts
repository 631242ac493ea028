/** What is known of an artifact, in a few words each: `{ version: "1.2.3" }`. JSON. */
export type ArtifactFacts = Readonly<Record<string, string | readonly string[]>>;

/** An artifact's kind, and what its handler knows of it. */
export interface ArtifactDescription {
  readonly kind: string;
  readonly facts: ArtifactFacts;
}

/** What an artifact must be. JSON. */
export interface ArtifactDemand {
  /** Any of them; absent: any kind. */
  readonly kinds?: readonly string[];
  /** Globs that facts must match; of several values one that does is enough. */
  readonly facts?: Readonly<Record<string, string>>;
}
