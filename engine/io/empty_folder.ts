import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that holds nothing, for its owner only. Whoever made it disposes of it, with what is in it then. */
export interface EmptyFolder {
  readonly path: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Makes a folder in which a program runs, so that nothing that lies where the user works is read by accident. */
export async function makeEmptyFolder(): Promise<EmptyFolder> {
  const path = await mkdtemp(join(tmpdir(), "cosign-ts-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
