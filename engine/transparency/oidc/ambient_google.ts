import { utf8 } from "../../model/bytes.ts";
import { describeReply } from "../service.ts";
import { type AmbientContext, type AmbientProvider, AUDIENCE } from "./ambient_provider.ts";
import { answeredText, ask, type IdentityCall } from "./ask.ts";
import { credentialsFile, openCredentials } from "./google_credentials.ts";
import { askMetadata, isOnGoogle } from "./google_metadata.ts";

const ACCOUNT_VARIABLE = "GOOGLE_SERVICE_ACCOUNT_NAME";
const ACCOUNT_PATH = "instance/service-accounts/default";
const IAM_URL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/** A machine, a pod or a function of Google's that runs as a service account. */
export const GOOGLE_WORKLOAD_IDENTITY: AmbientProvider = {
  name: "google-workload-identity",
  audience: AUDIENCE,
  isEnabled: async (context) => {
    if (!isOnGoogle(context.env)) return false;
    // That we are there does not say that there is an account.
    const { reply } = await askMetadata(identityPath("garbage"), context, { attempts: 1 });
    return reply?.status === 200;
  },
  token: async (context) => {
    const file = credentialsFile(context.env);
    if (file !== undefined)
      return await (await openCredentials(file, SCOPE, context)).idToken(AUDIENCE);
    const { reply, refusal } = await askMetadata(identityPath(AUDIENCE), context);
    if (reply?.status === 200) return new TextDecoder().decode(reply.body);
    throw refusal("get an identity token", reply && describeReply(reply));
  },
};

/** Another service account, as which whoever we are here may act. */
export const GOOGLE_IMPERSONATE: AmbientProvider = {
  name: "google-impersonate",
  audience: AUDIENCE,
  isEnabled: ({ env }) => Boolean(env[ACCOUNT_VARIABLE]),
  token: async (context) => {
    const account = encodeURIComponent(context.env[ACCOUNT_VARIABLE] ?? "").replace("%40", "@");
    const call: IdentityCall = {
      method: "POST",
      url: `${IAM_URL}/${account}:generateIdToken`,
      what: "get an identity token of Google",
      headers: {
        authorization: `Bearer ${await accessToken(context)}`,
        "content-type": "application/json",
      },
      body: utf8(JSON.stringify({ audience: AUDIENCE, includeEmail: true })),
    };
    const hint = `Give whoever runs this the role roles/iam.serviceAccountTokenCreator on ${ACCOUNT_VARIABLE}`;
    return answeredText(await ask(call, context.services), call, "token", hint);
  },
};

function identityPath(audience: string): string {
  return `${ACCOUNT_PATH}/identity?audience=${audience}&format=full`;
}

/** What shows who we are here: by a file of credentials, else by the machine. */
async function accessToken(context: AmbientContext): Promise<string> {
  const file = credentialsFile(context.env);
  if (file !== undefined) return await (await openCredentials(file, SCOPE, context)).accessToken();
  const path = `${ACCOUNT_PATH}/token?scopes=${encodeURIComponent(SCOPE)}`;
  const { reply, call, refusal } = await askMetadata(path, context);
  if (reply?.status === 200) return answeredText(reply, call, "access_token", "");
  throw refusal("get an access token", reply && describeReply(reply));
}
