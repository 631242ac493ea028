import * as v from "valibot";
import { CosignError, type ErrorCode } from "../../engine/plugin_host/contract.ts";

/** What was asked for, and where. */
export interface Purpose {
  /** As it stands in a message behind "Cannot". */
  readonly what: string;
  readonly api: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint?: string;
}

const MAX_SHOWN = 300;
const answerSchema = v.looseObject({ message: v.string() });

/** The error for an answer that is no success, with what the user can do about it. */
export function refusal(response: Response, text: string, { what, api }: Purpose): CosignError {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), answerSchema), text);
  const words = parsed.success ? parsed.output.message : `HTTP ${response.status}`;
  const said = words.replaceAll(/[\p{Cc}\s]+/gu, " ").slice(0, MAX_SHOWN);
  const { code, why, hint } = meaningOf(response, api);
  return new CosignError(
    code,
    `Cannot ${what}: ${why}: ${said}`,
    hint === undefined ? {} : { hint },
  );
}

function meaningOf({ status, headers }: Response, api: string): Meaning {
  if (status === 401) {
    const hint = `It may have expired, be revoked, or be of another server: the API is ${api}`;
    return { code: "KEY_SERVICE_AUTH", why: "GitHub does not know the token", hint };
  }
  if (status === 403) {
    const needed = headers.get("x-accepted-github-permissions") ?? "secrets=write";
    const hint = `The token needs the permission ${needed.slice(0, 100)} (a classic one the scope repo, for an organisation admin:org)`;
    return { code: "KEY_DENIED", why: "GitHub denies it", hint };
  }
  if (status === 404) {
    const hint = `The token may not see it, or it is on another server: GITHUB_HOST names one (the API is ${api})`;
    return { code: "KEY_NOT_FOUND", why: "there is no such repository or organisation", hint };
  }
  return status >= 500
    ? { code: "KEY_SERVICE_UNAVAILABLE", why: "GitHub has a fault", hint: "Try again later" }
    : { code: "KEY_SERVICE_PROTOCOL", why: "GitHub answers what was not expected" };
}
