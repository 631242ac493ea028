import * as v from "valibot";
import { CosignError, type ErrorCode } from "../../engine/plugin_host/contract.ts";

/** What was asked for, and where. */
export interface Purpose {
  /** As it stands in a message behind "Cannot". */
  readonly what: string;
  readonly host: string;
  readonly kind: "projects" | "groups";
}

interface Meaning {
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint?: string;
}

const MAX_SHOWN = 300;
const answerSchema = v.looseObject({
  message: v.optional(v.unknown()),
  error: v.optional(v.string()),
  error_description: v.optional(v.string()),
});

/** The error for an answer that is no success, with what the user can do about it. */
export function refusal(status: number, text: string, purpose: Purpose): CosignError {
  const said = wordsOf(text) || `HTTP ${status}`;
  const { code, why, hint } = meaningOf(status, said, purpose);
  return new CosignError(
    code,
    `Cannot ${purpose.what}: ${why}: ${said}`,
    hint === undefined ? {} : { hint },
  );
}

function meaningOf(status: number, said: string, { host, kind }: Purpose): Meaning {
  if (status === 401) {
    const hint = `It may have expired, be revoked, or be of another server: GITLAB_HOST is ${host}`;
    return { code: "KEY_SERVICE_AUTH", why: "GitLab does not know the token", hint };
  }
  if (status === 403) {
    const role = kind === "groups" ? "Owner of the group" : "Maintainer of the project";
    const hint = `The token needs the scope api, and its user the role ${role}`;
    return { code: "KEY_DENIED", why: "GitLab denies it", hint };
  }
  if (status === 404) {
    const hint = `The token's user may not see it, or it is on another server: if you are using a self-hosted gitlab please set GITLAB_HOST (now ${host})`;
    return { code: "KEY_NOT_FOUND", why: "there is no such project or group", hint };
  }
  if (status === 400 && /already been taken/i.test(said)) {
    const hint = "Delete the variables COSIGN_… there, if no signature needs them any more";
    return { code: "KEY_EXISTS", why: "it exists already, and is left as it is", hint };
  }
  return status >= 500
    ? { code: "KEY_SERVICE_UNAVAILABLE", why: "GitLab has a fault", hint: "Try again later" }
    : { code: "KEY_SERVICE_PROTOCOL", why: "GitLab answers what was not expected" };
}

/** `{"message": "404 Project Not Found"}`, `{"message": {"key": […]}}`, `{"error": …, "error_description": …}`. */
function wordsOf(text: string): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), answerSchema), text);
  if (!parsed.success) return "";
  const { message, error, error_description: description } = parsed.output;
  const words = typeof message === "string" ? message : JSON.stringify(message);
  return (words ?? description ?? error ?? "")
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, MAX_SHOWN);
}
