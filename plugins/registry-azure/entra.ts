import * as v from "valibot";
import { CosignError, hasCode, type PluginContext } from "../../engine/plugin_host/contract.ts";

const DEFAULT_AUTHORITY = "https://login.microsoftonline.com";
/** Answers inside of Azure only; elsewhere nobody does, and soon is known. */
const METADATA = "http://169.254.169.254";
const METADATA_TIMEOUT_MS = 2_000;
const JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const answerSchema = v.looseObject({ access_token: v.pipe(v.string(), v.minLength(1)) });

/**
 * A token of Entra ID: of a service principal with its secret, of a workload identity, or of the managed
 * identity of this machine.
 *
 * @param resource What it is for, a URL with a slash at its end.
 * @returns Nothing when there is nobody to be.
 * @throws {CosignError} `KEY_SERVICE_AUTH`, `KEY_SERVICE_…`, `FILE_READ`.
 */
export async function entraToken(
  resource: string,
  context: PluginContext,
): Promise<string | undefined> {
  const {
    AZURE_TENANT_ID: tenant,
    AZURE_CLIENT_ID: client,
    AZURE_CLIENT_SECRET: secret,
    AZURE_FEDERATED_TOKEN_FILE: file,
  } = context.env;
  if (tenant && client && (secret || file)) {
    const proof = secret
      ? { client_secret: secret }
      : {
          client_assertion_type: JWT_BEARER,
          client_assertion: await readAssertion(file ?? "", context),
        };
    return await askAuthority(tenant, { client_id: client, ...proof }, resource, context);
  }
  return await askMachine(resource, client || undefined, context);
}

async function readAssertion(path: string, context: PluginContext): Promise<string> {
  const assertion = new TextDecoder().decode(await context.readFile(path)).trim();
  context.secret(assertion);
  return assertion;
}

async function askAuthority(
  tenant: string,
  proof: Readonly<Record<string, string>>,
  resource: string,
  context: PluginContext,
): Promise<string> {
  if (!/^[A-Za-z0-9.-]+$/.test(tenant)) {
    throw new CosignError("USAGE", "AZURE_TENANT_ID is neither an id nor a domain of a tenant");
  }
  const authority = (context.env["AZURE_AUTHORITY_HOST"] || DEFAULT_AUTHORITY).replace(/\/+$/, "");
  const response = await context.fetch(`${authority}/${tenant}/oauth2/v2.0/token`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      grant_type: "client_credentials",
      scope: `${resource}.default`,
      ...proof,
    }).toString(),
  });
  return await tokenOf(response, context);
}

/** The managed identity: of App Service and Container Apps by their own endpoint, else of the virtual machine. */
async function askMachine(
  resource: string,
  client: string | undefined,
  context: PluginContext,
): Promise<string | undefined> {
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header } = context.env;
  const query = { resource, ...(client === undefined ? {} : { client_id: client }) };
  if (endpoint && header) {
    context.secret(header);
    const parameters = new URLSearchParams({ "api-version": "2019-08-01", ...query });
    const headers = { "x-identity-header": header };
    return await tokenOf(
      await context.fetch(`${endpoint}?${parameters}`, { headers, direct: true }),
      context,
    );
  }
  const machine = context.env["AZURE_POD_IDENTITY_AUTHORITY_HOST"] || METADATA;
  const parameters = new URLSearchParams({ "api-version": "2018-02-01", ...query });
  let response: Response;
  try {
    response = await context.fetch(`${machine}/metadata/identity/oauth2/token?${parameters}`, {
      headers: { metadata: "true" },
      direct: true,
      timeoutMs: METADATA_TIMEOUT_MS,
      repeatable: false,
    });
  } catch (error) {
    if (hasCode(error, "KEY_SERVICE_UNAVAILABLE")) return undefined; // this machine is not of Azure
    throw error;
  }
  // 400: "Identity not found"; 404: another cloud's metadata.
  if (response.status === 400 || response.status === 404) return undefined;
  return await tokenOf(response, context);
}

async function tokenOf(response: Response, context: PluginContext): Promise<string> {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), await response.text());
  const answer = parsed.success ? parsed.output : undefined;
  const token = v.safeParse(answerSchema, answer);
  if (response.ok && token.success) {
    context.secret(token.output.access_token);
    return token.output.access_token;
  }
  const said = v.safeParse(v.looseObject({ error_description: v.string() }), answer);
  const words = said.success ? said.output.error_description.split("\n")[0] : undefined;
  const code =
    response.status >= 500
      ? "KEY_SERVICE_UNAVAILABLE"
      : response.ok
        ? "KEY_SERVICE_PROTOCOL"
        : "KEY_SERVICE_AUTH";
  throw new CosignError(
    code,
    `Entra ID gives no token: ${(words ?? `HTTP ${response.status}`).slice(0, 300)}`,
    { hint: "Check AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret or token that goes with them" },
  );
}
