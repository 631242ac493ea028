import * as v from "valibot";
import {
  CosignError,
  type PluginAnswer,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";
import { refusal } from "./refusal.ts";

/** A repository or an organisation whose secrets of GitHub Actions are written. */
export interface GitHub {
  /** What secrets are sealed for. @throws {CosignError} `KEY_NOT_FOUND`, `KEY_DENIED`, `KEY_SERVICE_…`. */
  sealingKey(): Promise<SealingKey>;
  /** Writes a sealed secret. @returns Whether it replaced one. */
  put(name: string, sealed: Uint8Array, key: SealingKey): Promise<boolean>;
}

/** The public key of a repository or an organisation: X25519. */
export interface SealingKey {
  readonly id: string;
  /** 32 raw bytes. */
  readonly point: Uint8Array;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const PUBLIC_API = "https://api.github.com";
const API_VERSION = "2022-11-28";
const POINT_BYTES = 32;
const keySchema = v.looseObject({ key_id: v.string(), key: v.pipe(v.string(), v.base64()) });

/**
 * The path of the secrets of `github://OWNER/REPOSITORY` or `github://ORGANISATION`.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseGitHubUri(uri: string): string {
  const [, owner, repository] =
    /^github:\/\/([A-Za-z0-9](?:[A-Za-z0-9-]{0,99}))(?:\/([\w.-]{1,100}))?$/.exec(uri) ?? [];
  if (owner === undefined || /^\.\.?$/.test(repository ?? "")) {
    throw new CosignError(
      "USAGE",
      `Cannot use key "${uri.slice(0, 200)}": could not parse scheme, use github://<owner> or github://<owner>/<repo> format`,
    );
  }
  const place = repository === undefined ? `orgs/${owner}` : `repos/${owner}/${repository}`;
  return `${place}/actions/secrets`;
}

/** Finds out where GitHub is and who we are. @throws {CosignError} `USAGE`, `KEY_SERVICE_AUTH`. */
export function openGitHub(uri: string, context: PluginContext): GitHub {
  const path = parseGitHubUri(uri);
  const api = apiUrl(context);
  const token = readToken(context);
  const ask = async (what: string, name: string, body?: object): Promise<Answer> => {
    const response = await context.fetch(`${api}/${path}/${name}`, {
      method: body === undefined ? "GET" : "PUT",
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/vnd.github+json",
        "x-github-api-version": API_VERSION,
        "user-agent": "cosign-ts",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      isThrottled,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.ok) return { status: response.status, text };
    throw refusal(response, text, { what, api });
  };
  return {
    sealingKey: async () => {
      const what = `read the public key of "${uri}"`;
      const { text } = await ask(what, "public-key");
      return parseKey(text, what);
    },
    put: async (name, sealed, { id }) => {
      const answer = await ask(`create secret "${name}" of "${uri}"`, name, {
        encrypted_value: sealed.toBase64(),
        key_id: id,
        // Of an organisation: not for its public repositories, where anybody proposes workflows.
        ...(path.startsWith("orgs/") ? { visibility: "private" } : {}),
      });
      return answer.status === 204;
    },
  };
}

function parseKey(text: string, what: string): SealingKey {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), keySchema), text);
  const point = parsed.success ? Uint8Array.fromBase64(parsed.output.key) : new Uint8Array();
  if (parsed.success && point.length === POINT_BYTES) return { id: parsed.output.key_id, point };
  throw new CosignError(
    "KEY_SERVICE_PROTOCOL",
    `Cannot ${what}: the answer does not hold an X25519 key`,
  );
}

/** GitHub says with 403 too that it is asked too often. */
function isThrottled({ status, headers }: PluginAnswer): boolean {
  if (status === 429) return true;
  return (
    status === 403 && (headers.has("retry-after") || headers.get("x-ratelimit-remaining") === "0")
  );
}

/** `GITHUB_HOST` names a server of one's own: its API is under `/api/v3`, unless its name begins with `api.`. */
function apiUrl({ env }: PluginContext): string {
  const text = env["GITHUB_HOST"];
  if (!text) return PUBLIC_API;
  const full = text.includes("://") ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.username === "";
  if (!isPlain || url.search !== "" || url.hash !== "") {
    throw new CosignError("USAGE", "Cannot reach GitHub: GITHUB_HOST is no plain URL of a server", {
      hint: "Set it to the URL of the server, as https://github.example.com",
    });
  }
  if (url.hostname === "github.com") return PUBLIC_API;
  const base = url.href.replace(/\/+$/, "").replace(/\/api\/v3$/, "");
  return url.hostname.startsWith("api.") ? base : `${base}/api/v3`;
}

function readToken({ env }: PluginContext): string {
  const token = env["GITHUB_TOKEN"]?.trim();
  if (token && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new CosignError(
    "KEY_SERVICE_AUTH",
    'Cannot log in to GitHub: could not find "GITHUB_TOKEN" env variable',
    { hint: "Set it to a token that may write the secrets of GitHub Actions" },
  );
}
