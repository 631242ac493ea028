import * as v from "valibot";
import { CosignError, type PluginContext } from "../../engine/plugin_host/contract.ts";
import { refusal } from "./refusal.ts";

/** A project or a group whose CI/CD variables are read and written. */
export interface GitLab {
  /** The value of a variable, if there is one. @throws {CosignError} `KEY_NOT_FOUND` when there is no such project. */
  find(name: string): Promise<string | undefined>;
  /** The value of a variable. @throws {CosignError} `KEY_NOT_FOUND`, `KEY_DENIED`, `KEY_SERVICE_…`. */
  read(name: string): Promise<string>;
  /** Makes a variable as cosign does. @throws {CosignError} also `KEY_EXISTS`. */
  create(name: string, value: string): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const DEFAULT_HOST = "https://gitlab.com";
const REFERENCE = /^gitlab:\/\/([A-Za-z0-9_][\w.-]*(?:\/[A-Za-z0-9_][\w.-]*)*)$/;
/** Variables of one name may differ by environment; this is what cosign writes for. */
const EVERYWHERE = "*";
const variableSchema = v.looseObject({
  value: v.nullable(v.string()),
  hidden: v.optional(v.boolean()),
});

/**
 * What `gitlab://PROJECT_ID`, `gitlab://OWNER/PROJECT`, `gitlab://GROUP` names.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseGitLabUri(uri: string): string {
  const reference = REFERENCE.exec(uri)?.[1];
  if (reference !== undefined) return reference;
  throw new CosignError(
    "USAGE",
    `Cannot use key "${uri.slice(0, 200)}": it names neither a project nor a group of GitLab`,
    { hint: "As gitlab://OWNER/PROJECT, gitlab://PROJECT_ID or gitlab://GROUP" },
  );
}

/** Finds out where GitLab is and who we are. @throws {CosignError} `USAGE`, `KEY_SERVICE_AUTH`. */
export function openGitLab(uri: string, context: PluginContext): GitLab {
  const reference = parseGitLabUri(uri);
  const host = hostUrl(context);
  const token = readToken(context);
  /** Where it turned out to be: a project is looked for first, then a group. */
  let kinds: readonly ("projects" | "groups")[] = ["projects", "groups"];

  const send = async (path: string, body?: object): Promise<Response> =>
    await context.fetch(`${host}/api/v4/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        "private-token": token,
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body), repeatable: false }),
    });
  const ask = async (what: string, tail: string, body?: object): Promise<Answer> => {
    for (const kind of kinds) {
      const path = `${kind}/${encodeURIComponent(reference)}/variables${tail}`;
      const response = await send(path, body);
      const answer = { status: response.status, text: await response.text() };
      const isNoProject = answer.status === 404 && /Project Not Found/i.test(answer.text);
      if (kind === "projects" && isNoProject && kinds.length > 1) continue;
      kinds = [kind];
      if (response.ok || isMissing(answer) || isAmbiguous(answer)) return answer;
      throw refusal(answer.status, answer.text, { what, host, kind });
    }
    throw new TypeError("A project or a group answers");
  };
  const find = async (name: string): Promise<string | undefined> => {
    const what = `read variable "${name}" of "${uri}"`;
    let answer = await ask(what, `/${name}`);
    if (isAmbiguous(answer)) {
      answer = await ask(what, `/${name}?filter[environment_scope]=${EVERYWHERE}`);
    }
    return isMissing(answer) ? undefined : shownValue(answer.text, what, host);
  };
  return {
    find,
    read: async (name) => {
      const value = await find(name);
      if (value !== undefined) return value;
      throw new CosignError(
        "KEY_NOT_FOUND",
        `Cannot use key "${uri}": there is no variable "${name}"`,
        { hint: `Make a pair: generate-key-pair ${uri}` },
      );
    },
    create: async (name, value) => {
      await ask(`create variable "${name}" of "${uri}"`, "", {
        key: name,
        value,
        variable_type: "env_var",
        protected: false,
        masked: false,
        environment_scope: EVERYWHERE,
      });
    },
  };
}

function isMissing({ status, text }: Answer): boolean {
  return status === 404 && /Variable Not Found/i.test(text);
}

/** Of several variables of one name, for several environments, GitLab wants to know which. */
function isAmbiguous({ status, text }: Answer): boolean {
  return status === 409 && /multiple variables/i.test(text);
}

function shownValue(text: string, what: string, host: string): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), variableSchema), text);
  if (!parsed.success) {
    const why = `what answers at ${host} is no GitLab`;
    throw new CosignError("KEY_SERVICE_PROTOCOL", `Cannot ${what}: ${why}`);
  }
  const { value, hidden: isHidden } = parsed.output;
  if (value !== null && isHidden !== true) return value;
  throw new CosignError("KEY_DENIED", `Cannot ${what}: it is hidden, and never shown again`, {
    hint: "Delete the variables and make a new pair: generate-key-pair writes them so that they can be read",
  });
}

function hostUrl({ env }: PluginContext): string {
  const text = env["GITLAB_HOST"] || DEFAULT_HOST;
  const full = text.includes("://") ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.username === "";
  if (!isPlain || url.search !== "" || url.hash !== "") {
    throw new CosignError("USAGE", "Cannot reach GitLab: GITLAB_HOST is no plain URL of a server", {
      hint: "Set it to the URL of the server, as https://gitlab.example.com",
    });
  }
  return url.href.replace(/\/+$/, "").replace(/\/api\/v4$/, "");
}

function readToken({ env }: PluginContext): string {
  const token = env["GITLAB_TOKEN"]?.trim();
  if (token && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new CosignError(
    "KEY_SERVICE_AUTH",
    'Cannot log in to GitLab: could not find "GITLAB_TOKEN"',
    { hint: "Set it to an access token with the scope api" },
  );
}
