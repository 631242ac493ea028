/// <reference path="./texts.d.ts" />
import shell from "./sigstore-kms-shell" with { type: "text" };
import * as typescript from "./sigstore-kms-typescript.ts" with { type: "text" };

/** The texts of the example plugins, by what they are written in: `plugins new` starts from them. */
export const EXAMPLES: Readonly<Record<"shell" | "typescript", string>> = {
  shell,
  // To the compiler it is a module, which has no such thing.
  typescript: String(Reflect.get(typescript, "default")),
};
