import { CosignError } from "../../model/errors.ts";
import { type AmbientProvider, AUDIENCE } from "./ambient_provider.ts";
import { answeredText, ask, type IdentityCall, refuseOpenUrl } from "./ask.ts";

const URL_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
const HINT = "Give the job the permission: id-token: write";

/** A job of GitHub Actions that may ask for tokens. */
export const GITHUB_ACTIONS: AmbientProvider = {
  name: "github-actions",
  audience: AUDIENCE,
  isEnabled: ({ env }) => Boolean(env[TOKEN_VARIABLE]) && Boolean(env[URL_VARIABLE]),
  token: async ({ env, services }) => {
    const call: IdentityCall = {
      method: "GET",
      url: requestUrl(env[URL_VARIABLE] ?? ""),
      what: "get an identity token of GitHub Actions",
      headers: {
        authorization: `bearer ${env[TOKEN_VARIABLE] ?? ""}`,
        accept: "application/json",
      },
    };
    return answeredText(await ask(call, services), call, "value", HINT);
  },
};

function requestUrl(text: string): string {
  if (!URL.canParse(text)) {
    throw new CosignError("USAGE", `Cannot use ${URL_VARIABLE}: it is no URL`);
  }
  refuseOpenUrl(text, URL_VARIABLE);
  const url = new URL(text);
  url.searchParams.set("audience", AUDIENCE);
  return url.href;
}
