import { usage } from "./parse.ts";

/** The value of a flag that must be given. @throws {CosignError} `USAGE`. */
export function requireFlag(name: string, value: string | undefined): string {
  if (value === undefined || value === "") throw usage(`required flag(s) "${name}" not set`);
  return value;
}
