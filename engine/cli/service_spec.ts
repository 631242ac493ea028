import { parseTimestamp } from "../formats/protobuf_json.ts";
import type { Validity } from "../formats/trusted_root.ts";
import type { CosignError } from "../model/errors.ts";
import { usage } from "./parse.ts";

/** What a flag of the form `url=…,start-time=…` says of a service. */
export type ServiceSpec = Readonly<Record<string, string>>;

/** What a specification may say. */
export interface SpecKeys {
  /** What cosign calls the flag in messages: `fulcio`. */
  readonly name: string;
  /** What it says of a key that is missing, around its name. */
  readonly missing: readonly [before: string, after: string];
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/**
 * Reads such a flag.
 *
 * @throws {CosignError} `USAGE`, in cosign's words; also for a key that is not known, which cosign passes
 * over, and for one that stands there twice.
 */
export function parseServiceSpec(text: string, keys: SpecKeys): ServiceSpec {
  const spec = new Map<string, string>();
  const known = [...keys.required, ...keys.optional];
  for (const pair of text.split(",")) {
    const at = pair.indexOf("=");
    if (at < 0) throw wrong(keys, `invalid key-value pair: ${pair}`);
    const key = pair.slice(0, at).trim();
    if (!known.includes(key) || spec.has(key)) {
      const why = spec.has(key) ? "stands there twice" : "is not known";
      throw wrong(keys, `key '${key}' ${why}`, `One of: ${known.join(", ")}`);
    }
    spec.set(key, pair.slice(at + 1).trim());
  }
  for (const key of keys.required) {
    if (spec.get(key)) continue;
    throw wrong(keys, `${keys.missing[0]} '${key}' in ${keys.missing[1]}`);
  }
  return Object.fromEntries([...spec].filter(([, value]) => value !== ""));
}

/** The span of `start-time` and `end-time`. @throws {CosignError} `USAGE`. */
export function validityOf(spec: ServiceSpec, keys: SpecKeys): Validity {
  const start = timeOf(spec["start-time"], `${keys.name} spec: parsing start-time`);
  const end = timeOf(spec["end-time"], `${keys.name} spec: parsing end-time`);
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}

/** Reads a time. @returns nothing when there is none. @throws {CosignError} `USAGE`. */
export function timeOf(text: string | undefined, what: string): Date | undefined {
  if (text === undefined || text === "") return undefined;
  const time = parseTimestamp(text);
  if (time !== undefined) return time;
  throw usage(
    `parsing ${what}: parsing time ${JSON.stringify(text)}`,
    "Write times as 2026-01-31T00:00:00Z",
  );
}

function wrong({ name }: SpecKeys, why: string, hint?: string): CosignError {
  return usage(`parsing ${name} spec: ${why}`, hint);
}
