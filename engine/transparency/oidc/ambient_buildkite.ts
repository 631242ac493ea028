import { utf8 } from "../../model/bytes.ts";
import { serviceUrl } from "../service.ts";
import { type AmbientProvider, AUDIENCE } from "./ambient_provider.ts";
import { answeredText, ask, type IdentityCall, refuseOpenUrl } from "./ask.ts";

const TOKEN_VARIABLE = "BUILDKITE_AGENT_ACCESS_TOKEN";
const ENDPOINT_VARIABLE = "BUILDKITE_AGENT_ENDPOINT";
const ENDPOINT = "https://agent.buildkite.com/v3";

/** A job of Buildkite, by the API that its agent uses. */
export const BUILDKITE_AGENT: AmbientProvider = {
  name: "buildkite-agent",
  audience: AUDIENCE,
  isEnabled: ({ env }) => Boolean(env[TOKEN_VARIABLE]),
  token: async ({ env, services }) => {
    const endpoint = env[ENDPOINT_VARIABLE] || ENDPOINT;
    refuseOpenUrl(endpoint, ENDPOINT_VARIABLE);
    // Its server is written in Rails, which takes what follows a dot for a format.
    const job = encodeURIComponent(env["BUILDKITE_JOB_ID"] ?? "").replaceAll(".", "%2E");
    const call: IdentityCall = {
      method: "POST",
      url: serviceUrl(endpoint, `/jobs/${job}/oidc/tokens`),
      what: "get an identity token of Buildkite",
      headers: {
        authorization: `Token ${env[TOKEN_VARIABLE] ?? ""}`,
        "content-type": "application/json",
        accept: "application/json",
      },
      body: utf8(JSON.stringify({ audience: AUDIENCE })),
    };
    const hint = "See that BUILDKITE_JOB_ID names the job that runs";
    return answeredText(await ask(call, services), call, "token", hint);
  },
};
